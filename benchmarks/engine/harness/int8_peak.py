"""The int8 peak of this CPU: a small C++ program, compiled on first use, that multiplies in registers only."""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

import torch

from nc_trainer.int8.ops.hardware import cpu_flags

SOURCE = Path(__file__).with_name("int8_peak.cpp")
VARIABLE = "NC_TRAINER_ISA"
SECONDS, REPEATS = 0.25, 4
# From best to least: the name, the flag in /proc/cpuinfo, the compiler's flags.
LEVELS = {
    "amx": ("amx_int8", ("-mamx-tile", "-mamx-int8")),
    "avx512_vnni": ("avx512_vnni", ("-mavx512f", "-mavx512vnni")),
    "avx_vnni": ("avx_vnni", ("-mavx2", "-mavxvnni")),
    "avx2": ("avx2", ("-mavx2",)),
}


def int8_peak_tops() -> float | None:
    """10^12 int8 operations a second with torch's number of threads, or None where that cannot be measured.

    A multiplication and an addition are two operations. The best of REPEATS runs counts, since whatever else the
    machine does can only lower it. NC_TRAINER_ISA names the level of instructions, as it does for the engine.
    """
    level = peak_level()
    program = compiled_program(level) if level else None
    if program is None:
        return None
    return max(filter(None, (run_program(program, torch.get_num_threads()) for _ in range(REPEATS))), default=None)


def peak_level() -> str | None:
    """The level that NC_TRAINER_ISA names, else the best of this CPU; None when it has none of LEVELS."""
    return os.environ.get(VARIABLE) or best_level(cpu_flags())


def best_level(flags: Collection[str]) -> str | None:
    return next((name for name, (flag, _) in LEVELS.items() if flag in flags), None)


@functools.cache
def compiled_program(level: str) -> tuple[Path, tempfile.TemporaryDirectory[str]] | None:
    """The program for a level, and the directory that holds it until this process ends; None without a compiler."""
    compiler = shutil.which("g++")
    if compiler is None or level not in LEVELS:
        return None
    directory = tempfile.TemporaryDirectory(prefix="nc_trainer_peak_")
    program = Path(directory.name) / "int8_peak"
    flags = ["-O3", "-std=c++20", "-pthread", f"-DLEVEL_{level.upper()}=1", *LEVELS[level][1]]
    done = subprocess.run([compiler, *flags, str(SOURCE), "-o", str(program)], capture_output=True, check=False)
    return (program, directory) if done.returncode == 0 else None


def run_program(program: tuple[Path, object], threads: int) -> float | None:
    done = subprocess.run([program[0], str(threads), str(SECONDS)], capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None
