"""What another user may have written is never mapped into the process, and what nobody needs is removed."""

import os
import stat
import time
from pathlib import Path

import pytest

from nc_trainer.int8.ops.engines import native_build, native_cache, native_compile
from nc_trainer.int8.ops.engines.native_compile import NativeBuildError

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners of files on this system")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NC_TRAINER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def aged(path: Path, seconds: float) -> Path:
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_a_new_cache_is_for_its_owner_only(cache: Path) -> None:
    native_cache.make_private(cache)
    assert mode_of(cache) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_of_ones_own_cache_others_lose_the_right_to_write(cache: Path, mode: int) -> None:
    cache.mkdir()
    cache.chmod(mode)
    native_cache.make_private(cache)
    assert mode_of(cache) == mode & ~0o022
    assert native_cache.is_trusted(cache)


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can give a directory away")
def test_the_cache_of_another_user_is_refused(cache: Path) -> None:
    cache.mkdir(mode=0o700)
    os.chown(cache, 12345, -1)
    with pytest.raises(NativeBuildError, match=r"may be written by another user.*NC_TRAINER_CACHE"):
        native_build.cached_library()
    with pytest.raises(NativeBuildError, match="may be written by another user"):
        native_build._make_safe(cache)


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_library_that_others_may_write_is_not_loaded(
    cache: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_build, "_is_whole", lambda path: True)
    monkeypatch.setattr(native_compile, "find_compiler", lambda: None)
    cache.mkdir(mode=0o700)
    library = cache / f"{native_build._cache_key()}-any.so"
    library.write_bytes(b"")
    library.chmod(0o755)
    assert native_build.cached_library() == library
    library.chmod(mode)
    assert native_build.cached_library() is None


def test_what_killed_compilers_left_and_unused_libraries_are_removed(cache: Path) -> None:
    native_cache.make_private(cache)
    kept = {cache / ".build-new", cache / "new.so", cache / "other.txt"}
    removed = {cache / ".build-old", cache / "old.so"}
    for path in kept | removed:
        path.mkdir() if path.name.startswith(".build-") else path.write_bytes(b"")
    aged(cache / ".build-old", native_cache.UNFINISHED_SECONDS + 60)
    aged(cache / "old.so", native_cache.UNUSED_SECONDS + 60)
    aged(cache / "other.txt", native_cache.UNUSED_SECONDS + 60)
    native_cache.sweep(cache)
    assert set(cache.iterdir()) == kept


def test_a_library_that_is_used_is_kept(cache: Path) -> None:
    native_cache.make_private(cache)
    library = cache / "used.so"
    library.write_bytes(b"")
    native_cache.mark_used(aged(library, native_cache.UNUSED_SECONDS + 60))
    native_cache.sweep(cache)
    assert library.exists()
