import gc
from collections.abc import Callable, Iterator

import pytest

from nc_trainer.benchmark import timing
from nc_trainer.benchmark.timing import time_interleaved
from nc_trainer.errors import NCTrainerError


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def named(calls: list[str]) -> Callable[[str], Callable[[], None]]:
    return lambda name: lambda: calls.append(name)


@pytest.fixture
def collector_enabled() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.enable()
    yield
    (gc.enable if was_enabled else gc.disable)()


def test_the_first_place_rotates(calls: list[str], named: Callable[[str], Callable[[], None]]) -> None:
    time_interleaved({name: named(name) for name in "abc"}, warmup=0, iterations=4)
    assert calls == [*"abc", *"bca", *"cab", *"abc"]


def test_warmup_comes_first_and_is_not_returned(calls: list[str], named: Callable[[str], Callable[[], None]]) -> None:
    durations = time_interleaved({"a": named("a"), "b": named("b")}, warmup=2, iterations=3)
    assert calls == [*"abba", *"abbaab"]
    assert [(name, len(series)) for name, series in durations.items()] == [("a", 3), ("b", 3)]


def test_durations_are_seconds_between_two_readings_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0

    def wait(seconds: float) -> Callable[[], None]:
        def run() -> None:
            nonlocal now
            now += seconds

        return run

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now)
    durations = time_interleaved({"slow": wait(0.5), "fast": wait(0.25)}, warmup=1, iterations=2)
    assert durations == {"slow": [0.5, 0.5], "fast": [0.25, 0.25]}


@pytest.mark.usefixtures("collector_enabled")
def test_garbage_collection_is_off_while_timing_and_on_again_afterwards() -> None:
    seen: list[bool] = []
    time_interleaved({"a": lambda: seen.append(gc.isenabled())}, warmup=1, iterations=1)
    assert seen == [False, False]
    assert gc.isenabled()


@pytest.mark.usefixtures("collector_enabled")
def test_garbage_collection_is_on_again_after_an_error() -> None:
    def fail() -> None:
        raise RuntimeError("broken model")

    with pytest.raises(RuntimeError, match="broken model"):
        time_interleaved({"a": fail}, warmup=0, iterations=1)
    assert gc.isenabled()


@pytest.mark.usefixtures("collector_enabled")
def test_garbage_collection_that_was_off_stays_off() -> None:
    gc.disable()
    time_interleaved({"a": lambda: None}, warmup=0, iterations=1)
    assert not gc.isenabled()


@pytest.mark.parametrize(
    ("names", "warmup", "iterations", "message"),
    [
        pytest.param("", 0, 1, "nothing to time", id="no callables"),
        pytest.param("a", -1, 1, "warmup is -1", id="negative warm-up"),
        pytest.param("a", 0, 0, "iterations is 0", id="no rounds"),
    ],
)
def test_bad_input(names: str, warmup: int, iterations: int, message: str) -> None:
    with pytest.raises(NCTrainerError, match=message):
        time_interleaved(dict.fromkeys(names, lambda: None), warmup=warmup, iterations=iterations)
