"""The engine in C++: exact int8 products with AMX, AVX512-VNNI, AVX-VNNI or AVX2.

It quantizes the rows of the input, multiplies, dequantizes and applies the activation in one call. Weights that are
packed (`nc_trainer.int8.ops.packing`) are read as they are; plain ones are packed for each call.
"""

import functools
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from nc_trainer.int8.ops.engines.native_build import load_native_library
from nc_trainer.int8.ops.engines.native_compile import NativeBuildError, system_reason
from nc_trainer.int8.ops.hardware import cpu_flags

NAME = "native"
_loading = threading.Lock()


def unavailable_reason() -> str | None:
    """Why this engine cannot run here, or None when it can. The first call may compile it."""
    with _loading:
        return _unavailable_reason()


def int8_linears(
    x: Tensor,
    qweights: Sequence[Tensor],
    scales: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activation: str = "none",
    rows: Tensor | None = None,
) -> list[Tensor]:
    """See `nc_trainer.int8.ops.int8_linears`, for fp32 and bf16 of any strides.

    Raises:
        RuntimeError: a shape or a dtype does not fit, or K is above 131071.
    """
    return torch.ops.nc_trainer_native.int8_linears(x, qweights, scales, biases, activation, rows)


def fake_int8_linears(
    x: Tensor,
    qweights: Sequence[Tensor],
    scales: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activation: str,
    rows: Tensor | None = None,
) -> list[Tensor]:
    """What torch.compile and torch.export see: outputs of the right shape and dtype."""
    return [x.new_empty((*x.shape[:-1], scale.shape[0])) for scale in scales]


def fake_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float, is_causal: bool = False
) -> Tensor:
    """The same of `attention`: [B, H, Tq, d] as a view of [B, Tq, H, d]."""
    batch, heads, tokens, depth = query.shape
    return query.new_empty(batch, tokens, heads, depth).transpose(1, 2)


def isa() -> str:
    """The instruction set in use: amx, avx512_vnni, avx_vnni or avx2; `NC_TRAINER_ISA` forces one."""
    return torch.ops.nc_trainer_native.isa()


def activations() -> list[str]:
    """The names of the activations that the library knows."""
    return torch.ops.nc_trainer_native.activations()


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
    torch.library.register_fake("nc_trainer_native::int8_linears", fake_int8_linears)
    torch.library.register_fake("nc_trainer_native::attention", fake_attention)
    return None


def hardware_reason() -> str | None:
    """Why no build could run on this machine, or None."""
    if reason := system_reason():
        return reason
    if "avx2" not in cpu_flags():
        return "the native engine needs a CPU with AVX2."
    return None
