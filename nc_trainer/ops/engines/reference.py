"""The engine in plain torch: exact, on every platform, about as fast as an fp32 matrix product."""

import torch
from torch import Tensor

from nc_trainer.ops.quantization import quantize_rows

NAME = "reference"
# 128 * 128 * 1024 = 2**24: up to here every partial sum of int8 products is an integer that fp32 holds exactly.
EXACT_K = 1024


def unavailable_reason() -> str | None:
    """None: this engine runs everywhere."""
    return None


def accumulate(codes: Tensor, qweight: Tensor) -> Tensor:
    """The exact int32 products [M, N] of int8 `codes` [M, K] with int8 `qweight` [N, K]."""
    total = torch.zeros(codes.shape[0], qweight.shape[0], dtype=torch.int32)
    for start in range(0, codes.shape[1], EXACT_K):
        part = slice(start, start + EXACT_K)
        total += (codes[:, part].float() @ qweight[:, part].float().t()).to(torch.int32)
    return total


def int8_linear(x: Tensor, qweight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    """See `nc_trainer.ops.int8_linear`, for x [M, K] and without the activation."""
    codes, row_scales = quantize_rows(x)
    y = accumulate(codes, qweight).float() * scale
    return finish(y, row_scales, bias, x.dtype)


def finish(y: Tensor, row_scales: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Row scales and bias, in the order that all engines keep so that their results agree bit for bit."""
    y = y.mul_(row_scales.unsqueeze(1))
    if bias is not None:
        y = y.add_(bias)
    return y.to(dtype)
