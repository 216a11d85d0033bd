"""Symmetric int8 quantization of the rows of a matrix: weights per channel, activations per token."""

import torch
from torch import Tensor

INT8_MAX = 127
TINY = 1e-30


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Quantize each row of `x` to int8 codes with a scale of its own.

    `code = round_half_even(x * (127 / absmax))` and `scale = absmax / 127`, so codes lie in [-127, 127].
    A row whose absmax is below 1e-30 gets scale 0; a row that holds NaN or infinity gets codes 0 and
    scale NaN, so that whatever is computed from it is NaN rather than plausible.

    Args:
        x: [M, K], fp32, fp16 or bf16.

    Returns:
        codes: [M, K] int8, and scales: [M] fp32.
    """
    rows = x.float()
    absmax = rows.abs().amax(dim=1) if x.shape[1] else rows.new_zeros(x.shape[0])
    usable = absmax.isfinite() & (absmax >= TINY)
    # Not `127 / absmax`: torch turns a number divided by a tensor into a reciprocal and a product, rounded twice.
    inverse = torch.where(usable, absmax.new_tensor(INT8_MAX) / absmax, 0.0)
    codes = (rows * inverse.unsqueeze(1)).nan_to_num_(nan=0.0).round_().to(torch.int8)
    scales = torch.where(usable, absmax / INT8_MAX, torch.where(absmax.isfinite(), 0.0, torch.nan))
    return codes, scales


def dequantize_rows(codes: Tensor, scales: Tensor) -> Tensor:
    """The fp32 values that [M, K] int8 codes with [M] scales stand for."""
    return codes.float() * scales.unsqueeze(1)
