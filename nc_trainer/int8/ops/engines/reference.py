"""The engine in plain torch: exact, on every platform, about as fast as an fp32 matrix product."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nc_trainer.int8.ops.activations import ACTIVATIONS
from nc_trainer.int8.ops.quantize_rows import quantize_rows

NAME = "reference"
# 128 * 128 * 1024 = 2**24: up to here every partial sum of int8 products is an integer that fp32 holds exactly.
EXACT_K = 1024


def unavailable_reason() -> str | None:
    """None: this engine runs everywhere."""
    return None


def accumulate(codes: Tensor, qweight: Tensor) -> Tensor:
    """The exact int32 products [M, N] of int8 `codes` [M, K] with int8 `qweight` [N, K]."""
    total = torch.zeros(codes.shape[0], qweight.shape[0], dtype=torch.int32, device=codes.device)
    for start in range(0, codes.shape[1], EXACT_K):
        part = slice(start, start + EXACT_K)
        total += (codes[:, part].float() @ qweight[:, part].float().t()).to(torch.int32)
    return total


def int8_linears(
    x: Tensor,
    qweights: Sequence[Tensor],
    scales: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activation: str = "none",
    rows: Tensor | None = None,
) -> list[Tensor]:
    """See `nc_trainer.int8.ops.int8_linears`, for fp32 and bf16."""
    return linears_from(_scaled_product, x, qweights, scales, biases, activation, rows)


def linears_from(
    product: Callable[[Tensor, Tensor, Tensor], Tensor],
    x: Tensor,
    qweights: Sequence[Tensor],
    scales: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activation: str,
    rows: Tensor | None,
) -> list[Tensor]:
    """`int8_linears` on top of a `product` of codes [M, K], qweight [N, K] and scale [N] in fp32, [M, N]."""
    codes, row_scales = quantize_rows(as_rows(x, rows))
    return [
        finish(product(codes, qweight, scale), row_scales, bias, activation, x, rows)
        for qweight, scale, bias in zip(qweights, scales, biases, strict=True)
    ]


def _scaled_product(codes: Tensor, qweight: Tensor, scale: Tensor) -> Tensor:
    return accumulate(codes, qweight).float() * scale


def as_rows(x: Tensor, rows: Tensor | None) -> Tensor:
    """[..., K] as [M, K], or the chosen rows of it."""
    flat = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return flat if rows is None else flat[rows]


def finish(
    y: Tensor, row_scales: Tensor, bias: Tensor | None, activation: str, x: Tensor, rows: Tensor | None
) -> Tensor:
    """Row scales and bias, in the order that all engines keep so that their results agree bit for bit."""
    y = y.mul_(row_scales.unsqueeze(1))
    if bias is not None:
        y = y.add_(bias)
    y = ACTIVATIONS[activation](y).to(x.dtype)
    if rows is not None:
        y = y.new_zeros(math.prod(x.shape[:-1]), y.shape[1]).index_copy_(0, rows, y)
    return y.reshape(*x.shape[:-1], y.shape[1])
