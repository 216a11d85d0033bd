"""The library of the native engine is compiled once, whole or not at all, and a failure says why."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nc_trainer.int8.ops.engines import native, native_build, native_compile
from nc_trainer.int8.ops.engines.native_compile import NativeBuildError

ONE_FUNCTION = 'extern "C" int answer() { return 42; }\n'
LOAD = """
import sys
from pathlib import Path
from nc_trainer.int8.ops.engines import native_build, native_compile
native_compile.SOURCES = Path(sys.argv[1])
native_build.load_native_library()
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NC_TRAINER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source that compiles in no time, in place of the engine's."""
    directory = tmp_path / "csrc"
    directory.mkdir()
    (directory / "answer.cpp").write_text(ONE_FUNCTION)
    monkeypatch.setattr(native_compile, "SOURCES", directory)
    return directory


@pytest.fixture
def compiler() -> None:
    try:
        native_compile.require_compiler()
    except NativeBuildError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_two_processes_compiling_at_once_both_succeed(cache: Path, sources: Path, compiler: None) -> None:
    command = [sys.executable, "-c", LOAD, str(sources)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert [path.suffix for path in cache.iterdir()] == [".so"]


@pytest.mark.slow
def test_compiling_says_so_without_any_set_up_of_logging(cache: Path, sources: Path, compiler: None) -> None:
    command = [sys.executable, "-c", LOAD, str(sources)]
    errors = [subprocess.run(command, capture_output=True, text=True, check=True).stderr for _ in range(2)]
    assert ["Compiling the native int8 engine" in error for error in errors] == [True, False]


def test_the_second_use_compiles_nothing(cache: Path, sources: Path, compiler: None) -> None:
    built = native_build.build_library()
    assert native_build.cached_library() == built


@pytest.mark.parametrize("change", ["source", "flags"])
def test_a_change_is_another_library(
    change: str, cache: Path, sources: Path, compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    native_build.build_library()
    if change == "source":
        (sources / "answer.cpp").write_text(ONE_FUNCTION.replace("42", "43"))
    else:
        monkeypatch.setenv("NC_TRAINER_CXXFLAGS", "-g")
    assert native_build.cached_library() is None


@pytest.mark.parametrize("keep", [0, 20, 4096], ids=["empty", "header", "first_page"])
def test_a_truncated_library_is_not_loaded_but_rebuilt(keep: int, cache: Path, sources: Path, compiler: None) -> None:
    library = native_build.build_library()
    whole = library.read_bytes()
    library.write_bytes(whole[:keep])
    assert native_build.cached_library() is None
    native_build.load_native_library()
    assert native_build.cached_library() == library


def test_a_cached_library_serves_where_no_compiler_is_left(
    cache: Path, sources: Path, compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = native_build.build_library()
    monkeypatch.setenv("CXX", "/nonexistent")
    assert native_build.cached_library() == library


@pytest.mark.slow
def test_without_a_compiler_the_engine_says_so(cache: Path) -> None:
    code = "from nc_trainer.int8.ops.engines import native; print(native.unavailable_reason())"
    environment = {**os.environ, "CXX": "/nonexistent"}
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert (native.hardware_reason() or "no C++ compiler found (looked for CXX=/nonexistent)") in printed


def test_the_compilers_own_words_are_in_the_error(cache: Path, sources: Path, compiler: None) -> None:
    (sources / "answer.cpp").write_text("int answer() { return forty_two; }\n")
    with pytest.raises(NativeBuildError, match="forty_two"):
        native_build.build_library()
    assert list(cache.iterdir()) == []


def test_a_compiler_that_the_bits_were_not_tested_with_is_refused(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clang = tmp_path / "clang++"
    clang.write_text("#!/bin/sh\necho clang version 19\n")
    clang.chmod(0o755)
    monkeypatch.setenv("CXX", str(clang))
    with pytest.raises(NativeBuildError, match="is clang"):
        native_build.build_library()


def test_a_cache_that_cannot_be_written_is_an_error_with_its_path(
    tmp_path: Path, sources: Path, compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NC_TRAINER_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(NativeBuildError, match=r"cannot write the native engine to .*file"):
        native_build.build_library()


@pytest.fixture
def wheel_library(tmp_path: Path, sources: Path, compiler: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library as an installation from a wheel has it."""
    monkeypatch.setattr(native_build, "WHEEL_DIRECTORY", tmp_path / "lib")
    library = tmp_path / "lib" / native_compile.wheel_library_name()
    library.parent.mkdir()
    native_compile.compile_library(native_compile.require_compiler(), library)
    return library


def test_the_library_of_a_wheel_is_loaded_without_a_compiler_or_a_cache(
    cache: Path, wheel_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "/nonexistent")
    native_build.load_native_library()
    assert not cache.exists()
    assert str(wheel_library) in torch.ops.loaded_libraries


def test_a_library_of_other_sources_is_not_taken_from_the_wheel(
    cache: Path, sources: Path, wheel_library: Path
) -> None:
    (sources / "answer.cpp").write_text(ONE_FUNCTION.replace("42", "43"))
    assert native_build.wheel_library() is None
    native_build.load_native_library()
    assert [path.suffix for path in cache.iterdir()] == [".so"]


def test_where_the_library_of_the_wheel_does_not_load_another_is_compiled(
    cache: Path, wheel_library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wheel_library.write_bytes(b"of another machine")
    native_build.load_native_library()
    assert "of this installation does not load" in caplog.text
    assert [path.suffix for path in cache.iterdir()] == [".so"]


def test_an_old_torch_is_named_before_the_compiler_is_asked(
    tmp_path: Path, cache: Path, sources: Path, compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = SimpleNamespace(origin=str(tmp_path / "torch" / "__init__.py"))
    monkeypatch.setattr(native_compile.importlib.util, "find_spec", lambda name: old)
    with pytest.raises(NativeBuildError, match=r"torch is too old: the native engine needs 2\.10 or newer"):
        native_build.build_library()
