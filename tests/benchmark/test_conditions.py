from pathlib import Path

import pytest

from nc_trainer.benchmark import conditions
from nc_trainer.benchmark.conditions import Conditions, ConditionsRecorder, busy_seconds

STAT = """\
cpu  300 0 100 900 20 0 0 30 0 0
cpu0 100 0 50 400 10 0 0 10 0 0
cpu1 200 0 50 500 10 0 0 20 5 0
intr 12345
"""


def test_busy_time_is_all_but_idle_and_waiting() -> None:
    assert busy_seconds(STAT, frozenset({0, 1}), ticks=100) == (100 + 50 + 10 + 200 + 50 + 20) / 100


def test_only_the_processors_that_may_be_used_count() -> None:
    assert busy_seconds(STAT, frozenset({0}), ticks=100) == 1.6


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("cpu0 0 0 0 0 0 0 0 0 0 0\n", id="a sandbox that counts nothing"),
    ],
)
def test_a_system_that_does_not_tell(text: str) -> None:
    assert busy_seconds(text, frozenset({0}), ticks=100) is None


def test_others_are_what_is_busy_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([(10.0, 5.0, 100.0), (20.0, 11.0, 113.0)])
    monkeypatch.setattr(conditions, "_readings", lambda: next(readings))
    monkeypatch.setattr(conditions, "available_processors", lambda: frozenset({0, 1}))
    found = ConditionsRecorder().conditions()
    assert (found.others, found.processors, found.busy) == (0.7, 2, True)


def test_without_proc_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "STAT", tmp_path / "stat")
    found = ConditionsRecorder().conditions()
    assert (found.others, found.busy) == (None, False)


@pytest.mark.parametrize(("others", "busy"), [(0.1, False), (0.11, True), (None, False)])
def test_a_twentieth_of_the_processors_is_busy(others: float | None, busy: bool) -> None:
    assert Conditions("2026-01-01T00:00:00+00:00", 1.0, 1.0, others, processors=2).busy is busy
