"""An int8 linear layer of which a few columns of the input are multiplied in float.

The largest value of a row of activations, or of weights, sets the step in which the others are rounded. Taken out, the
columns that hold it no longer do.

Source: the decomposition of Dettmers et al., "LLM.int8(): 8-bit matrix multiplication for transformers at scale"
(2022), with columns that are chosen once, on calibration data, rather than for every batch.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nc_trainer.int8.ops.engines import current_engine, native
from nc_trainer.int8.ops.float_activation import float_activation
from nc_trainer.int8.ops.int8_linear import int8_linears


def int8_linear_with_columns(
    x: Tensor,
    qweight: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    columns: Sequence[int],
    column_weights: Tensor,
    activation: str = "none",
    rows: Tensor | None = None,
) -> Tensor:
    """`int8_linears` of `x` without its `columns`, and these times their weights in fp32.

    `y = int8(x) + x[:, c0] * w[0] + x[:, c1] * w[1] + ...`, from left to right, rounded to fp32 after every step, so
    that all engines return the same bits and a row does not depend on the others; then the activation, then the dtype
    of `x`.

    Args:
        x: [..., K], fp32, fp16 or bf16.
        qweight: [N, K] int8, or packed, of which these columns are zero.
        scale: [N] fp32.
        bias: [N] fp32 or None.
        columns: their numbers.
        column_weights: [columns, N] fp32.
        activation: a name in `nc_trainer.int8.ops.ACTIVATIONS`.
        rows: see `int8_linears`.

    Returns:
        [..., N] in the dtype of `x`.
    """
    chosen = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    chosen = chosen if rows is None else chosen[rows]
    picked, others = chosen[:, list(columns)].float(), chosen.to(torch.float32, copy=True)
    others[:, list(columns)] = 0
    y = int8_linears(others, [qweight], [scale], [bias])[0]
    _add_columns(y, picked, column_weights)
    y = float_activation(y, activation).to(x.dtype)
    if rows is not None:
        y = y.new_zeros(math.prod(x.shape[:-1]), y.shape[1]).index_copy_(0, rows, y)
    return y.reshape(*x.shape[:-1], y.shape[1])


def _add_columns(y: Tensor, picked: Tensor, weights: Tensor) -> None:
    """Add `picked` [M, columns] times `weights` [columns, N] to `y` [M, N], in place."""
    if not torch.compiler.is_compiling() and current_engine().NAME == native.NAME:
        torch.ops.nc_trainer_native.add_columns(y, picked, weights)
        return
    for number in range(picked.shape[1]):
        y += picked[:, number : number + 1] * weights[number]


def split_columns(weight: Tensor, columns: Sequence[int]) -> tuple[Tensor, Tensor]:
    """A weight [N, K] without these columns, which are zero, [N, K] fp32; and the columns, [columns, N] fp32."""
    others = weight.float().clone()
    others[:, list(columns)] = 0
    return others, weight[:, list(columns)].float().t().contiguous()
