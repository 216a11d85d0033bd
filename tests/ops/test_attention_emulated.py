"""The AMX attention kernels pass the tests of the attention operator, with the tile instructions in software."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nc_trainer.ops.attention import native_instruction_set
from nc_trainer.ops.engines import native_build

RUN = """
import sys
from pathlib import Path
import pytest
from nc_trainer.ops import attention
from nc_trainer.ops.engines import native_build
native_build.SOURCES = Path(sys.argv[1])
assert attention.native_instruction_set() == "amx"
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-k", "not 1030", *sys.argv[2:]]))
"""


def test_amx_kernels_in_software(tmp_path: Path) -> None:
    if native_instruction_set() is None:
        pytest.skip("the vector part of these kernels needs a CPU with AVX512_BF16")
    sources = tmp_path / "csrc"
    sources.mkdir()
    for pattern in ("attention*", "amx.*", "scratch.h"):  # all that these kernels need
        for path in native_build.SOURCES.glob(pattern):
            shutil.copy(path, sources)
    environment = {
        **os.environ,
        "NC_TRAINER_CACHE": str(tmp_path / "cache"),
        "NC_TRAINER_CXXFLAGS": "-DNC_EMULATE_AMX -O1",
        "NC_TRAINER_ISA": "amx",
    }
    command = [sys.executable, "-c", RUN, str(sources), str(Path(__file__).with_name("test_attention.py"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
