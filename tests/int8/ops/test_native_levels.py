"""Every instruction set that this CPU can run, or emulate, passes the tests of the native engine and of attention."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.ops.engines.native_compile import find_compiler
from nc_trainer.int8.ops.hardware import cpu_flags

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
DIGEST = HERE.parents[1] / "helpers" / "float_digest.py"
EMULATED = "-DNC_EMULATE_AMX -DNC_EMULATE_AVX_VNNI"
FILES = ("test_native_engine", "test_packing", "test_float_linear", "native_level")
# AMX is emulated, but what is around its tiles is AVX-512.
LEVELS = {"avx2": "avx2", "avx_vnni": "avx2", "avx512_vnni": "avx512_vnni", "amx": "avx512_vnni"}


def environment_of(level: str, cpu_flag: str) -> dict[str, str]:
    missing = native.hardware_reason() or (find_compiler() is None and "there is no C++ compiler here")
    if missing or cpu_flag not in cpu_flags():
        pytest.skip(missing or f"this CPU has no {cpu_flag}")
    return {**os.environ, "NC_TRAINER_ISA": level, "NC_TRAINER_CXXFLAGS": EMULATED}


def run_tests(level: str, cpu_flag: str, *arguments: str) -> None:
    environment = environment_of(level, cpu_flag)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_returns_the_bits_of_the_definition(level: str) -> None:
    run_tests(level, LEVELS[level], *(str(HERE / f"{name}.py") for name in FILES))


def test_every_level_has_the_same_bits_in_fp32() -> None:
    found = {}
    for level, cpu_flag in LEVELS.items():
        if cpu_flag in cpu_flags():
            command = [sys.executable, str(DIGEST)]
            path = os.pathsep.join([str(DIGEST.parents[1]), os.environ.get("PYTHONPATH", "")])
            environment = environment_of(level, cpu_flag) | {"PYTHONPATH": path}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            used, found[level] = done.stdout.split()
            assert used == level
    if len(found) < 2:
        pytest.skip("this CPU runs one level at most")
    assert len(set(found.values())) == 1, found


def test_attention_by_amx_is_softmax_attention() -> None:
    slow = "not 1030 and not environment"  # tiles in software; and a process that forces a level of its own
    tests = [str(HERE / "test_attention.py"), str(HERE / "attention_level.py")]
    run_tests("amx", "avx512_bf16", "-k", slow, *tests)


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    code = "import torch; from nc_trainer.int8.ops.engines import native; native.unavailable_reason(); native.isa()"
    environment = {**os.environ, "NC_TRAINER_ISA": "mmx"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert native.hardware_reason() or "auto, amx, avx512_vnni, avx_vnni, avx2" in done.stderr
