"""Compile the C++ of the native engine into one library, with every instruction level in it.

Only the standard library is imported and nothing of this package: setup.py runs this file as well. torch gives its
headers, which it need not be imported for. The library uses torch's stable interface only, so that one that was
compiled against any version runs on `MINIMUM_TORCH` and on every later one, with every Python.
"""

import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent / "csrc"
MINIMUM_TORCH = (2, 10)
COMPILERS = ("c++", "g++")
COMMON_FLAGS = (
    *("-O3", "-std=c++20", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off"),
    f"-DTORCH_TARGET_VERSION=0x{MINIMUM_TORCH[0]:02x}{MINIMUM_TORCH[1]:02x}000000000000ULL",
)
# Flags of one file only: the instruction set of a kernel.
AVX2 = ("-mavx2", "-mfma")
AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")
FILE_FLAGS = {
    "attention_amx.cpp": (*AVX512, "-mavx512bf16"),
    "attention_avx512bf16.cpp": (*AVX512, "-mavx512bf16"),
    "float_attention_avx2.cpp": AVX2,
    "float_attention_avx512.cpp": AVX512,
    "float_linear_avx2.cpp": AVX2,
    "float_linear_avx512.cpp": AVX512,
    "kernels_amx.cpp": (*AVX512, "-mavx512vnni"),
    "kernels_avx2.cpp": AVX2,
    "kernels_avx512_vnni.cpp": (*AVX512, "-mavx512vnni"),
    "kernels_avx_vnni.cpp": (*AVX2, "-mavxvnni"),
}
MESSAGE_LINES = 12


class NativeBuildError(RuntimeError):
    """The native engine could not be compiled or its library not be loaded; the message says why."""


def system_reason() -> str | None:
    """Why this system cannot run a build, or None; what its CPU can do is not asked."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return f"the native engine is for Linux on x86-64, not {platform.system()} on {platform.machine()}."
    return None


def find_compiler() -> str | None:
    """The C++ compiler: `$CXX` if set, else c++ or g++ from the path; None if that does not exist."""
    chosen = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, (chosen,) if chosen else COMPILERS)), None)


def require_compiler() -> str:
    """The C++ compiler; raises NativeBuildError when there is none, or one that the engine is not tested with."""
    compiler = find_compiler()
    if compiler is None:
        wanted = f"CXX={os.environ['CXX']}" if os.environ.get("CXX") else " or ".join(COMPILERS)
        raise NativeBuildError(f"no C++ compiler found (looked for {wanted}); install g++ or set CXX")
    if "clang" in run([compiler, "--version"]).lower():
        raise NativeBuildError(
            f"{compiler} is clang; the bits of the engine are tested with g++: install it or set CXX"
        )
    return compiler


def compile_library(compiler: str, library: Path) -> None:
    """Compile every source in parallel, with the objects beside `library`, then link.

    Raises:
        NativeBuildError: the compiler failed, or torch is not there or too old.
    """
    torch = torch_directory()
    sources = sorted(SOURCES.glob("*.cpp"))
    objects = [str(library.with_name(f"{source.stem}.o")) for source in sources]
    common = [compiler, *COMMON_FLAGS, "-isystem", str(torch / "include")]
    with ThreadPoolExecutor() as pool:
        commands = [
            [*common, *FILE_FLAGS.get(source.name, ()), *extra_flags(), "-c", str(source), "-o", output]
            for source, output in zip(sources, objects, strict=True)
        ]
        list(pool.map(run, commands))
    run([compiler, "-shared", *extra_flags(), *objects, f"-L{torch / 'lib'}", "-ltorch_cpu", "-o", str(library)])


def torch_directory() -> Path:
    """Where torch is installed; it is not imported.

    Raises:
        NativeBuildError: it is not installed, or has no stable interface for C++ yet.
    """
    found = importlib.util.find_spec("torch")
    if found is None or not found.origin:
        raise NativeBuildError("torch, whose headers are needed, is not installed")
    directory = Path(found.origin).parent
    if not (directory / "include" / "torch" / "csrc" / "stable" / "c" / "shim.h").is_file():
        raise NativeBuildError(
            f"torch is too old: the native engine needs {'.'.join(map(str, MINIMUM_TORCH))} or newer"
        )
    return directory


def source_key() -> str:
    """A hash of the sources and the flags: what a library was made from, wherever that was."""
    sources = sorted((*SOURCES.glob("*.cpp"), *SOURCES.glob("*.h")))
    parts = [path.name.encode() + b"\0" + path.read_bytes() for path in sources]
    return hash_of(b"\0".join([*parts, repr((COMMON_FLAGS, FILE_FLAGS, extra_flags())).encode()]))


def wheel_library_name() -> str:
    """The name that a library has in a wheel; it says what it was made from."""
    return f"native-{source_key()}.so"


def extra_flags() -> list[str]:
    """Flags for debugging and sanitizers, from `$NC_TRAINER_CXXFLAGS`."""
    return shlex.split(os.environ.get("NC_TRAINER_CXXFLAGS", ""))


def hash_of(content: bytes) -> str:
    """16 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:16]


def run(command: Sequence[str]) -> str:
    """Run a command and return its output; the end of it becomes the error if the command fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise NativeBuildError(f"cannot run {command[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()[-MESSAGE_LINES:]
        raise NativeBuildError("\n".join([f"{command[0]} failed with status {done.returncode}:", *lines]))
    return done.stdout
