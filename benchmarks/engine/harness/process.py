"""The process that is measured: its allocator, its threads, and the versions of everything in it."""

import os
import sys
from collections.abc import Mapping, MutableMapping
from importlib import metadata

import torch

# Without these glibc gives large tensors back to the system after each use and pays for fresh pages.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296"}
DISTRIBUTIONS = ("torch", "torchao", "onnx", "onnxruntime", "openvino", "nncf", "transformers", "numpy")


def restart_with_allocator() -> None:
    """Start this program again with the allocator's settings, which are read once, when a process starts."""
    missing = missing_settings(os.environ)
    if missing:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **missing})


def missing_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of ALLOCATOR that `environment` does not have; those of the user are left alone."""
    return {name: value for name, value in ALLOCATOR.items() if name not in environment}


def limit_threads(threads: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Give torch and the libraries that are loaded later `threads` threads."""
    torch.set_num_threads(threads)
    environment["OMP_NUM_THREADS"] = str(threads)


def versions() -> dict[str, str | None]:
    """The version of each of DISTRIBUTIONS, None where it is not installed."""
    return {name: _version(name) for name in DISTRIBUTIONS}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
