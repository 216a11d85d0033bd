"""The engine on torch's own oneDNN int8 operators: fast where the CPU has VNNI or AMX, exact everywhere."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from nc_trainer.int8.ops.engines.reference import EXACT_K, linears_from

NAME = "onednn"
# Packed weights are derived state: made at first use, dropped with the tensor they come from, never saved.
_packed: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def unavailable_reason() -> str | None:
    """Why this build of torch cannot run the engine, or None."""
    if not torch.backends.mkldnn.is_available():
        return "this build of torch has no oneDNN"
    if not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        return "this build of torch has no onednn::qlinear_pointwise"
    return None


@cache
def saturates() -> bool:
    """Whether oneDNN adds pairs of products in 16 bits here, as it does on x86 without VNNI.

    Asked of the operator itself rather than of the CPU's flags: 2 * 127 * 127 does not fit in int16 twice over.
    """
    ones = torch.full((4, 64), 127, dtype=torch.int8)
    return not bool((_product(ones, _pack(ones), torch.ones(4)) == 127 * 127 * 64).all())


def accumulate(codes: Tensor, qweight: Tensor) -> Tensor:
    """The exact int32 products [M, N] of int8 `codes` [M, K] with int8 `qweight` [N, K]."""
    total = torch.zeros(codes.shape[0], qweight.shape[0], dtype=torch.int32)
    if total.numel() == 0 or codes.shape[1] == 0:
        return total
    ones = torch.ones(qweight.shape[0])
    for part, packed in _packed_chunks(qweight):
        for half in _halves(codes[:, part]):
            total += _product(half, packed, ones).to(torch.int32)
        if saturates():
            total -= 128 * qweight[:, part].sum(dim=1, dtype=torch.int32)
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


def _scaled_product(codes: Tensor, qweight: Tensor, scale: Tensor) -> Tensor:
    if saturates() or codes.numel() == 0 or qweight.numel() == 0:
        return accumulate(codes, qweight).float() * scale
    return _product(codes, _whole(qweight), scale)


def _halves(codes: Tensor) -> tuple[Tensor, ...]:
    """Codes as they are or, where pairs saturate, as two addends of `code + 128` that fit in 7 bits each."""
    if not saturates():
        return (codes,)
    shifted = (codes.to(torch.int16) + 128).to(torch.uint8)
    low = shifted // 2
    # 255 // 2 rounds down: the other half may be 128, and 128 * 127 * 2 still fits in int16.
    return low, shifted - low


def _product(codes: Tensor, packed: Tensor, scale: Tensor) -> Tensor:
    """Products in fp32. Signed codes go in as `code + 128` with that zero point, which the operator takes out again:
    on a CPU with VNNI but without AMX it multiplies signed ones in a loop that is thousands of times slower.
    """
    zero_point = 0
    if codes.dtype == torch.int8:
        codes, zero_point = codes.view(torch.uint8) ^ 128, 128
    no_offset = torch.zeros(scale.shape[0], dtype=torch.int32)
    return torch.ops.onednn.qlinear_pointwise(
        codes.contiguous(), 1.0, zero_point, packed, scale, no_offset, None, 1.0, 0, torch.float32, "none", [], ""
    )


def _pack(qweight: Tensor) -> Tensor:
    # The operator takes any strides for those of a dense matrix.
    return torch.ops.onednn.qlinear_prepack(qweight.contiguous(), None)


def _whole(qweight: Tensor) -> Tensor:
    if qweight not in _packed:
        _packed[qweight] = _pack(qweight)
    return _packed[qweight]


def _packed_chunks(qweight: Tensor) -> list[tuple[slice, Tensor]]:
    """K in parts short enough for fp32 to hold their sums exactly, since the operator answers in fp32."""
    starts = range(0, qweight.shape[1], EXACT_K)
    parts = [slice(start, start + EXACT_K) for start in starts]
    return [(part, _pack(qweight[:, part])) for part in parts]
