import os
from pathlib import Path

import pytest

from nc_trainer.benchmark import BenchmarkOptions, cores, place_instances
from nc_trainer.benchmark.cores import AS_MANY_AS_FIT, physical_processors
from nc_trainer.errors import NCTrainerError
from nc_trainer.int8.ops import hardware

PROCESSOR = "processor\t: {number}\nphysical id\t: {socket}\ncore id\t\t: {core}\n"


@pytest.fixture(autouse=True)
def two_sockets_of_two_cores_with_two_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors 0 to 3 are the first threads of cores 0 and 1 of sockets 0, 1, 0, 1; 4 to 7 the second ones."""
    blocks = [
        PROCESSOR.format(number=number, socket=number % 2, core=number % 4 // 2)
        for number in range(8)
    ]  # fmt: skip
    (tmp_path / "cpuinfo").write_text("\n".join(blocks))
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(cores, "available_processors", lambda: frozenset(range(8)))


@pytest.mark.parametrize(
    ("instances", "each", "expected"),
    [
        pytest.param(None, 2, ((0, 2),), id="one instance by default, on one socket"),
        pytest.param(2, None, ((0, 2), (1, 3)), id="all cores are shared out"),
        pytest.param(3, None, ((0,), (2,), (1,)), id="what does not divide is left"),
        pytest.param(AS_MANY_AS_FIT, 1, ((0,), (2,), (1,), (3,)), id="as many as fit"),
        pytest.param(AS_MANY_AS_FIT, None, ((0,), (2,), (1,), (3,)), id="as many as there are cores"),
    ],
)
def test_each_instance_has_cores_of_its_own(
    instances: int | None, each: int | None, expected: tuple[tuple[int, ...], ...]
) -> None:
    assert place_instances(instances, each).cores == expected


@pytest.mark.parametrize(("instances", "each", "needed"), [(3, 2, 6), (1, 5, 5), (AS_MANY_AS_FIT, 5, 5), (9, None, 9)])
def test_more_cores_than_there_are(instances: int, each: int | None, needed: int) -> None:
    with pytest.raises(NCTrainerError, match=f"needs {needed} cores; this process may use 4"):
        place_instances(instances, each)


def test_only_processors_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "available_processors", lambda: frozenset({4, 5, 6}))
    assert place_instances(AS_MANY_AS_FIT, 1).cores == ((4,), (6,), (5,))


def test_where_cores_have_no_names_every_processor_counts() -> None:
    assert physical_processors([{"processor": "0"}, {"processor": "1"}], frozenset({0, 1})) == (0, 1)
    assert physical_processors([], frozenset({3, 1})) == (1, 3)


def test_a_system_that_cannot_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(NCTrainerError, match="cannot do"):
        place_instances(1, 1)


def test_options_decide_whether_there_are_instances() -> None:
    assert BenchmarkOptions(threads=3).placement is None
    asked = BenchmarkOptions(num_of_instance=2).placement
    assert asked is not None
    assert asked.cores == ((0, 2), (1, 3))
    variables = BenchmarkOptions(environment={"KMP_BLOCKTIME": "1"}).placement
    assert variables is not None
    assert variables.cores == ((0, 2, 1, 3),)


@pytest.mark.parametrize(
    ("name", "value"),
    [("warmup", -1), ("iterations", -1), ("threads", 0), ("num_of_instance", -2), ("cores_per_instance", 0)],
)
def test_numbers_out_of_range(name: str, value: int) -> None:
    with pytest.raises(NCTrainerError, match=f"{name} is {value}"):
        BenchmarkOptions(**{name: value})  # type: ignore[arg-type]


def test_padding_and_random_tokens_exclude_each_other() -> None:
    with pytest.raises(NCTrainerError, match="both given"):
        BenchmarkOptions(pad_to=8, fixed_length=8)
