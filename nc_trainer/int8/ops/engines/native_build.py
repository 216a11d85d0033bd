"""Compile the C++ of the native engine on first use, and keep the library in a cache directory.

The library is built under a temporary name and renamed into place, so processes that compile at the same
time need no lock: each finds either no library or a whole one. Its file name holds a hash of everything it
was made from, and its last 32 bytes are the SHA-256 of those before, so that a damaged file is rebuilt
instead of being mapped into the process.
"""

import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import torch

from nc_trainer.int8.ops.engines import native_cache

logger = logging.getLogger(__name__)

SOURCES = Path(__file__).resolve().parent.parent / "csrc"
COMPILERS = ("c++", "g++")
COMMON_FLAGS = ("-O3", "-std=c++20", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off")
# Flags of one file only: the instruction set of a kernel, and OpenMP where at::parallel_for is used. OpenMP
# is a flag of compilation and not of linking, since its runtime has to be the one that torch has loaded.
AVX2 = ("-mavx2", "-mfma")
AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")
FILE_FLAGS = {
    "attention.cpp": ("-fopenmp",),
    "attention_amx.cpp": (*AVX512, "-mavx512bf16"),
    "attention_avx512bf16.cpp": (*AVX512, "-mavx512bf16"),
    "kernels_amx.cpp": (*AVX512, "-mavx512vnni"),
    "kernels_avx2.cpp": AVX2,
    "kernels_avx512_vnni.cpp": (*AVX512, "-mavx512vnni"),
    "kernels_avx_vnni.cpp": (*AVX2, "-mavxvnni"),
    "matmul.cpp": ("-fopenmp",),
    "pack.cpp": ("-fopenmp",),
}
DIGEST_BYTES = 32
MESSAGE_LINES = 12


class NativeBuildError(RuntimeError):
    """The native engine could not be compiled or its library not be loaded; the message says why."""


def load_native_library() -> None:
    """Register the operators `torch.ops.nc_trainer_native.*`, compiling them if the cache has no library.

    Raises:
        NativeBuildError: there is no usable compiler, it failed, or its library does not load.
    """
    path = cached_library() or build_library()
    native_cache.mark_used(path)
    try:
        torch.ops.load_library(str(path))
    except OSError as error:
        raise NativeBuildError(f"{path} does not load: {error}. Remove it to rebuild.") from error


def cached_library() -> Path | None:
    """The whole library in the cache for these sources, flags, torch and compiler, if there is one.

    Where no compiler is left, a library that any compiler made of the same sources will do. What another user may have
    written is not looked at.

    Raises:
        NativeBuildError: another user may write the cache.
    """
    if not cache_directory().is_dir():
        return None
    _make_safe(cache_directory())
    compiler = find_compiler()
    pattern = f"{_source_key()}-{_compiler_key(compiler) if compiler else '*'}.so"
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
    compiler = require_compiler()
    target = cache_directory() / f"{_source_key()}-{_compiler_key(compiler)}.so"
    # A warning, so that it is seen without any set-up of logging: half a minute of silence looks like a hang.
    logger.warning("Compiling the native int8 engine into %s: once, for about half a minute.", target)
    try:
        _make_safe(target.parent)
        native_cache.sweep(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=native_cache.UNFINISHED) as directory:
            library = _compile(compiler, Path(directory))
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


def find_compiler() -> str | None:
    """The C++ compiler: `$CXX` if set, else c++ or g++ from the path; None if that does not exist."""
    chosen = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, (chosen,) if chosen else COMPILERS)), None)


def require_compiler() -> str:
    """The C++ compiler; raises NativeBuildError when there is none, or none that can share torch's threads."""
    compiler = find_compiler()
    if compiler is None:
        wanted = f"CXX={os.environ['CXX']}" if os.environ.get("CXX") else " or ".join(COMPILERS)
        raise NativeBuildError(f"no C++ compiler found (looked for {wanted}); install g++ or set CXX")
    if "clang" in _run([compiler, "--version"]).lower():
        # clang's OpenMP calls need a runtime of its own, a second thread pool beside torch's.
        raise NativeBuildError(f"{compiler} is clang; torch's thread pool needs g++: install it or set CXX")
    return compiler


def _compile(compiler: str, directory: Path) -> Path:
    """Compile every source in parallel, then link; returns the library in `directory`."""
    sources = sorted(SOURCES.glob("*.cpp"))
    objects = [str(directory / f"{source.stem}.o") for source in sources]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda pair: _compile_one(compiler, *pair), zip(sources, objects, strict=True)))
    library = directory / "native.so"
    _run([compiler, "-shared", *_extra_flags(), *objects, *_link_flags(), "-o", str(library)])
    return library


def _compile_one(compiler: str, source: Path, output: str) -> None:
    own = FILE_FLAGS.get(source.name, ())
    _run([compiler, *COMMON_FLAGS, *own, *_torch_flags(), *_extra_flags(), "-c", str(source), "-o", output])


def _torch_flags() -> list[str]:
    from torch.utils.cpp_extension import include_paths  # its import alone takes a tenth of a second

    includes = [flag for path in include_paths() for flag in ("-isystem", path)]
    return [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}", *includes]


def _link_flags() -> list[str]:
    from torch.utils.cpp_extension import library_paths

    return [*(f"-L{path}" for path in library_paths()), "-ltorch_cpu", "-lc10"]


def _extra_flags() -> list[str]:
    """Flags for debugging and sanitizers, from `$NC_TRAINER_CXXFLAGS`."""
    return shlex.split(os.environ.get("NC_TRAINER_CXXFLAGS", ""))


def _run(command: Sequence[str]) -> str:
    """Run a command and return its output; the end of it becomes the error if the command fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise NativeBuildError(f"cannot run {command[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()[-MESSAGE_LINES:]
        raise NativeBuildError("\n".join([f"{command[0]} failed with status {done.returncode}:", *lines]))
    return done.stdout


def _source_key() -> str:
    """A hash of the sources, the flags, the torch they are compiled against and the platform."""
    sources = sorted((*SOURCES.glob("*.cpp"), *SOURCES.glob("*.h")))
    parts = [path.name.encode() + b"\0" + path.read_bytes() for path in sources]
    settings = (COMMON_FLAGS, FILE_FLAGS, _extra_flags(), torch.__version__, torch.compiled_with_cxx11_abi())
    machine = (platform.system(), platform.machine(), platform.libc_ver())
    return _hash(b"\0".join([*parts, repr((settings, machine)).encode()]))


def _compiler_key(compiler: str) -> str:
    return _hash(_run([compiler, "--version"]).encode())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _is_whole(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]
