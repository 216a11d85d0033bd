"""The engine in C++: exact int8 products with AVX2, compiled on first use.

It quantizes the rows of the input, multiplies and dequantizes in one call, and reads the weights as they
are, row-major int8, so that nothing derived from them has to be kept.
"""

import functools
import platform
import threading

import torch
from torch import Tensor

from nc_trainer.ops.engines.native_build import NativeBuildError, load_native_library

NAME = "native"
_loading = threading.Lock()


def unavailable_reason() -> str | None:
    """Why this engine cannot run here, or None when it can. The first call may compile it."""
    with _loading:
        return _unavailable_reason()


def int8_linear(x2d: Tensor, qweight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    """`x2d`, quantized row by row, times `qweight` transposed, in the dtype of `x2d`.

    The result is `float(accumulator) * scale * row_scale + bias`, each operation rounded to fp32.

    Args:
        x2d: [M, K] fp32 or bf16, any strides.
        qweight: [N, K] int8.
        scale: [N] fp32.
        bias: [N] fp32 or None.

    Raises:
        RuntimeError: a shape or a dtype is not one of these, or K is above 131071.
    """
    return torch.ops.nc_trainer_native.int8_linear(x2d, qweight, scale, bias)


def accumulate(codes: Tensor, qweight: Tensor) -> Tensor:
    """The exact int32 products [M, N] of int8 codes [M, K] and int8 weights [N, K]; any int8 values."""
    return torch.ops.nc_trainer_native.accumulate(codes, qweight)


@functools.cache
def _unavailable_reason() -> str | None:
    if reason := hardware_reason():
        return reason
    try:
        load_native_library()
    except NativeBuildError as error:
        return f"the native engine could not be built: {error}"
    return None


def hardware_reason() -> str | None:
    """Why no build could run on this machine, or None."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return f"the native engine is for Linux on x86-64, not {platform.system()} on {platform.machine()}."
    if not _has_avx2():
        return "the native engine needs a CPU with AVX2."
    return None


def _has_avx2() -> bool:
    """From the kernel, since what torch reports can be lowered by an environment variable."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        return any(line.startswith("flags") and "avx2" in line.split() for line in lines)
