"""Whether two sets of logits are the same: bit for bit, or within what a float dtype explains."""

from collections.abc import Sequence

import torch
from torch import Tensor

BF16_FACTOR = 4.0
"""How far a transformed model may be from the plain one, in errors of the plain one: both round to bfloat16, in
other places, so that their difference is the root of two such errors; four leave room for a sample of few numbers."""


def same_bits(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether all tensors have the same shapes and bits; NaN is like NaN."""
    return len(found) == len(expected) and all(
        a.shape == b.shape and torch.equal(a.nan_to_num(nan=3e38), b.nan_to_num(nan=3e38))
        for a, b in zip(found, expected, strict=True)
    )


FLOAT32_TOLERANCE = 1e-4
"""Of the largest logit: a thousand roundings of float32, where what is computed otherwise is off by percents."""


def explained_by_float32(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether the root mean square of the difference is at most `FLOAT32_TOLERANCE` of the largest expected logit."""
    return _distance(found, expected) <= FLOAT32_TOLERANCE * _magnitude(expected)


def explained_by_bf16(
    transformed: Sequence[Tensor], plain: Sequence[Tensor], exact: Sequence[Tensor], factor: float = BF16_FACTOR
) -> bool:
    """Whether the root mean square of `transformed - plain` is at most `factor` times that of `plain - exact`.

    Args:
        transformed: logits with the rest in bfloat16 and everything applied.
        plain: with the rest in bfloat16, nothing applied.
        exact: with the rest in float32, nothing applied.
        factor: see `BF16_FACTOR`.
    """
    allowed = factor * _distance(plain, exact) + 2**-8 * _magnitude(exact)
    return _distance(transformed, plain) <= allowed


def _magnitude(tensors: Sequence[Tensor]) -> float:
    return max((float(tensor.abs().max()) for tensor in tensors if tensor.numel()), default=0.0)


def _distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    squares = torch.cat([(x.double() - y.double()).square().flatten() for x, y in zip(a, b, strict=True)])
    return float(squares.nan_to_num().mean().sqrt())
