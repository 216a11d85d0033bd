import os
from pathlib import Path

import pytest
import torch

from nc_trainer.benchmark import machine
from nc_trainer.benchmark.machine import describe_machine
from nc_trainer.int8.ops import hardware

PROCESSOR = """processor\t: {number}
cpu family\t: 6
model\t\t: 143
model name\t: Some CPU @ 2.0GHz
physical id\t: 0
core id\t\t: {core}
flags\t\t: fpu amx_bf16 avx2 avx512f avx512_vnni amx_int8 avx512_bf16
"""
HYPERTHREADED = "\n".join(PROCESSOR.format(number=number, core=number % 2) for number in range(4))


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cpuinfo"
    path.write_text(HYPERTHREADED)
    monkeypatch.setattr(hardware, "CPUINFO", path)
    monkeypatch.setattr(machine, "available_processors", lambda: frozenset({0, 1, 2, 3}))
    return path


@pytest.mark.usefixtures("cpuinfo")
def test_the_cpu_is_read_from_cpuinfo() -> None:
    described = describe_machine("onednn")
    assert described.cpu == "Some CPU @ 2.0GHz (family 6, model 143)"
    assert described.isa == ("avx2", "avx512f", "avx512_vnni", "amx_int8", "avx512_bf16", "amx_bf16")
    assert (described.physical_cores, described.logical_cores) == (2, 4)
    assert described.engine == "onednn"


@pytest.mark.usefixtures("cpuinfo")
@pytest.mark.parametrize(
    ("available", "physical"),
    [
        pytest.param({0, 2}, 1, id="two threads of one core"),
        pytest.param({0, 1}, 2, id="one thread of each core"),
    ],
)
def test_only_the_cores_this_process_may_use_count(
    available: set[int], physical: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "available_processors", lambda: frozenset(available))
    described = describe_machine()
    assert (described.physical_cores, described.logical_cores) == (physical, 2)


def test_a_system_without_cpuinfo_or_affinity(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo.unlink()
    monkeypatch.setattr(machine, "available_processors", frozenset)
    monkeypatch.setattr(machine.platform, "processor", lambda: "arm")
    described = describe_machine()
    assert (described.cpu, described.isa, described.physical_cores) == ("arm", None, None)
    assert described.logical_cores == os.cpu_count()


def test_a_cpuinfo_without_names_flags_or_cores(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo.write_text("processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n")
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    described = describe_machine()
    assert (described.cpu, described.isa, described.physical_cores) == ("aarch64", None, None)


def test_only_the_allocator_variables_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in machine.ALLOCATOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1073741824")
    assert describe_machine().allocator == {"MALLOC_MMAP_THRESHOLD_": "1073741824"}


def test_threads_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert describe_machine().threads == 7


def test_versions() -> None:
    described = describe_machine()
    assert described.torch == torch.__version__
    assert machine._version("no-such-distribution-anywhere") is None
