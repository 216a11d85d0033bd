"""What a wheel holds, and that it runs the native engine where there is no compiler."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from nc_trainer.int8.ops.engines import native, native_compile
from nc_trainer.int8.ops.engines.native_compile import NativeBuildError

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[1]
COMPUTES_WITHOUT_A_COMPILER = """
import shutil, sys
from pathlib import Path
import torch
import nc_trainer
from nc_trainer.int8.ops import int8_linear, quantize_rows
from nc_trainer.int8.ops.engines import native, native_build

assert Path(nc_trainer.__file__).is_relative_to(sys.prefix), nc_trainer.__file__
assert shutil.which("g++") is None and shutil.which("c++") is None
assert native.unavailable_reason() is None, native.unavailable_reason()
assert not native_build.cache_directory().exists()
torch.manual_seed(0)
codes, weight = torch.randint(-127, 128, (2, 9, 70), dtype=torch.int8)
assert torch.equal(native.accumulate(codes, weight), codes.int() @ weight.int().T)
print(native.isa())
"""


def build_wheel(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs pip on a copy of the sources; the wheel is in `directory`/dist."""
    source = directory / "source"
    shutil.copytree(PROJECT / "nc_trainer", source / "nc_trainer", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--verbose"]
    return subprocess.run(
        [*command, "--wheel-dir", str(directory / "dist"), "."],
        cwd=source,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def the_wheel(directory: Path) -> Path:
    return next((directory / "dist").glob("*.whl"))


def engines_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if name.endswith(".so")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := native.hardware_reason():
        pytest.skip(reason)
    try:
        native_compile.require_compiler()
    except NativeBuildError as error:
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("wheel")
    built = build_wheel(directory, NC_TRAINER_NATIVE="1")
    assert built.returncode == 0, built.stdout + built.stderr
    return the_wheel(directory)


def test_a_wheel_with_the_engine_is_for_every_python_on_this_kind_of_machine(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-linux_x86_64.whl")
    assert engines_in(wheel) == [f"nc_trainer/int8/ops/lib/{native_compile.wheel_library_name()}"]


def test_an_installed_wheel_runs_the_native_engine_without_a_compiler_and_without_a_cache(
    wheel: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    # What the package needs is that of this environment; its .pth files, and so editable packages, are not followed.
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    Path(site.stdout.strip(), "requirements.pth").write_text(sysconfig.get_path("purelib"))
    install = ["-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, *install], capture_output=True, check=True)
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    clean = {"PATH": str(nowhere), "HOME": str(nowhere), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, "-c", COMPUTES_WITHOUT_A_COMPILER],
        cwd=nowhere,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"amx", "avx512_vnni", "avx_vnni", "avx2"}


@pytest.mark.parametrize("settings", [{"CXX": "/nonexistent"}, {"NC_TRAINER_NATIVE": "0"}], ids=["none", "unwanted"])
def test_without_a_compiler_or_by_choice_the_wheel_is_pure_python(settings: dict[str, str], tmp_path: Path) -> None:
    built = build_wheel(tmp_path, **settings)
    assert built.returncode == 0, built.stdout + built.stderr
    assert the_wheel(tmp_path).name.endswith("-py3-none-any.whl")
    assert engines_in(the_wheel(tmp_path)) == []


def test_an_engine_that_is_asked_for_and_cannot_be_compiled_is_an_error(tmp_path: Path) -> None:
    built = build_wheel(tmp_path, NC_TRAINER_NATIVE="1", CXX="/nonexistent")
    assert built.returncode != 0
    assert "NC_TRAINER_NATIVE=1, but " in built.stdout + built.stderr
    assert list(tmp_path.glob("dist/*.whl")) == []
