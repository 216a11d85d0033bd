"""The library of the native engine: the one that came in the wheel, else one that is compiled on first use.

The latter is kept in a cache directory. It is built under a temporary name and renamed into place, so processes that
compile at the same time need no lock: each finds either no library or a whole one. Its file name holds a hash of
everything it was made from, and its last 32 bytes are the SHA-256 of those before, so that a damaged file is rebuilt
instead of being mapped into the process.
"""

import hashlib
import logging
import os
import platform
import tempfile
from contextlib import suppress
from pathlib import Path

import torch

from nc_trainer.int8.ops.engines import native_cache, native_compile
from nc_trainer.int8.ops.engines.native_compile import NativeBuildError

logger = logging.getLogger(__name__)

WHEEL_DIRECTORY = Path(__file__).resolve().parent.parent / "lib"
DIGEST_BYTES = 32


def load_native_library() -> None:
    """Register the operators `torch.ops.nc_trainer_native.*`, compiling them if no library is there.

    Raises:
        NativeBuildError: there is no usable compiler, it failed, or its library does not load.
    """
    if _load_from_wheel():
        return
    path = cached_library() or build_library()
    native_cache.mark_used(path)
    try:
        torch.ops.load_library(str(path))
    except OSError as error:
        raise NativeBuildError(f"{path} does not load: {error}. Remove it to rebuild.") from error


def library() -> Path:
    """The library that `load_native_library` loads; it may compile one.

    Raises:
        NativeBuildError: there is none and none can be compiled.
    """
    return wheel_library() or cached_library() or build_library()


def wheel_library() -> Path | None:
    """The library that was installed with the package, if it was made of these very sources."""
    path = WHEEL_DIRECTORY / native_compile.wheel_library_name()
    return path if path.is_file() else None


def _load_from_wheel() -> bool:
    path = wheel_library()
    if path is None:
        return False
    try:
        torch.ops.load_library(str(path))
    except OSError as error:
        logger.warning("The compiled engine of this installation does not load (%s): compiling another one.", error)
        return False
    return True


def cached_library() -> Path | None:
    """The whole library in the cache for these sources, flags, system and compiler, if there is one.

    Where no compiler is left, a library that any compiler made of the same sources will do. What another user may have
    written is not looked at.

    Raises:
        NativeBuildError: another user may write the cache.
    """
    if not cache_directory().is_dir():
        return None
    _make_safe(cache_directory())
    compiler = native_compile.find_compiler()
    pattern = f"{_cache_key()}-{_compiler_key(compiler) if compiler else '*'}.so"
    return next(
        (
            path
            for path in sorted(cache_directory().glob(pattern))
            if native_cache.is_trusted(path) and _is_whole(path)
        ),
        None,
    )


def build_library() -> Path:
    """Compile the sources into the cache directory and return the library's path.

    Raises:
        NativeBuildError: there is no usable compiler, it failed, or the cache cannot be written.
    """
    compiler = native_compile.require_compiler()
    target = cache_directory() / f"{_cache_key()}-{_compiler_key(compiler)}.so"
    # A warning, so that it is seen without any set-up of logging: half a minute of silence looks like a hang.
    logger.warning("Compiling the native int8 engine into %s: once, for about half a minute.", target)
    try:
        _make_safe(target.parent)
        native_cache.sweep(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=native_cache.UNFINISHED) as directory:
            library = Path(directory) / "native.so"
            native_compile.compile_library(compiler, library)
            content = library.read_bytes()
            library.write_bytes(content + hashlib.sha256(content).digest())
            library.chmod(0o755)
            os.replace(library, target)
    except OSError as error:
        raise NativeBuildError(f"cannot write the native engine to {target.parent}: {error}") from error
    return target


def cache_directory() -> Path:
    """`$NC_TRAINER_CACHE`, else `nc_trainer` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if own := os.environ.get("NC_TRAINER_CACHE"):
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nc_trainer"
    except RuntimeError as error:
        raise NativeBuildError("no home directory to keep the library in; set NC_TRAINER_CACHE") from error


def _make_safe(directory: Path) -> None:
    with suppress(PermissionError):  # root's, which may be read
        native_cache.make_private(directory)
    if directory.is_dir() and not native_cache.is_trusted(directory):
        raise NativeBuildError(
            f"{directory} may be written by another user, so that nothing in it is run: "
            "set NC_TRAINER_CACHE to a directory of your own."
        )


def _cache_key() -> str:
    """A hash of what a library is made from and of the system; torch is not in it, whose stable interface it uses."""
    machine = (platform.system(), platform.machine(), platform.libc_ver())
    return native_compile.hash_of(repr((native_compile.source_key(), machine)).encode())


def _compiler_key(compiler: str) -> str:
    return native_compile.hash_of(native_compile.run([compiler, "--version"]).encode())


def _is_whole(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]
