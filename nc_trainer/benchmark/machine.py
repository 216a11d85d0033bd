"""What a timing depends on besides the model: CPU, threads, allocator, versions."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

import torch

from nc_trainer.int8.ops.hardware import read_processors

ISA_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "avx512_bf16", "amx_bf16")
ALLOCATOR_VARIABLES = ("LD_PRELOAD", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


@dataclass(frozen=True)
class Machine:
    """The machine and the process that a benchmark ran on.

    Cores are those this process may use, not those the machine has. `None` means: could not be found
    out on this platform. `isa` holds the names of ISA_FLAGS that the CPU has. `allocator` holds the
    ALLOCATOR_VARIABLES that are set. `engine` is the int8 engine, None when none was in use.
    """

    cpu: str
    physical_cores: int | None
    logical_cores: int | None
    threads: int
    isa: tuple[str, ...] | None
    memory_bytes: int | None
    allocator: Mapping[str, str]
    os: str
    python: str
    torch: str
    transformers: str | None
    nc_trainer: str | None
    engine: str | None


def describe_machine(engine: str | None = None) -> Machine:
    """Describe the machine as it is now; call it in the process and with the threads that are timed."""
    processors = read_processors()
    return Machine(
        cpu=cpu_name(processors),
        physical_cores=physical_cores(processors, available_processors()),
        logical_cores=len(available_processors()) or os.cpu_count(),
        threads=torch.get_num_threads(),
        isa=isa_flags(processors),
        memory_bytes=_memory_bytes(),
        allocator={name: os.environ[name] for name in ALLOCATOR_VARIABLES if os.environ.get(name)},
        os=platform.platform(),
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=_version("transformers"),
        nc_trainer=_version("nc_trainer"),
        engine=engine,
    )


def cpu_name(processors: list[dict[str, str]]) -> str:
    """The model name with family and model number, which tell apart CPUs that a hypervisor renames."""
    first = processors[0] if processors else {}
    if "model name" not in first:
        return platform.processor() or platform.machine() or "unknown"
    if "cpu family" not in first or "model" not in first:
        return first["model name"]
    return f"{first['model name']} (family {first['cpu family']}, model {first['model']})"


def isa_flags(processors: list[dict[str, str]]) -> tuple[str, ...] | None:
    """Which of ISA_FLAGS the CPU has, in that order; None when the kernel lists no flags."""
    if not processors or "flags" not in processors[0]:
        return None
    flags = processors[0]["flags"].split()
    return tuple(name for name in ISA_FLAGS if name in flags)


def physical_cores(processors: list[dict[str, str]], available: frozenset[int]) -> int | None:
    """How many cores stand behind the `available` logical processors; None when not listed."""
    usable = [fields for fields in processors if int(fields.get("processor", -1)) in available]
    if not usable or any("core id" not in fields for fields in usable):
        return None
    return len({(fields.get("physical id"), fields["core id"]) for fields in usable})


def available_processors() -> frozenset[int]:
    """Numbers of the logical processors this process may run on; empty where the system cannot tell."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
