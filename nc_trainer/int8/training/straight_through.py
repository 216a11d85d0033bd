"""int8 arithmetic with gradients: forward as the int8 modules compute, backward as if nothing had been rounded."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nc_trainer.int8.ops import dequantize_rows, int8_linear, quantize_rows
from nc_trainer.int8.ops.engines import reference


class StraightThroughLinear(torch.autograd.Function):
    """`int8_linear` of a float weight, with the straight-through estimator.

    The result has the bits of an int8 layer made from the weight as it is. Its gradients are those of a linear layer
    whose input and weight are the values that the codes stand for: rounding counts as the identity, and scales as
    constants. Scales come from the largest value of a row, so nothing is clipped.

    Source: Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic neurons for
    conditional computation" (2013); Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference" (2018), section 3.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """`x` is [M, K]; see `straight_through_linear`."""
        ctx.save_for_backward(x, weight)
        codes, scale = quantize_rows(weight)
        float_bias = None if bias is None else bias.float()
        with torch.autocast(x.device.type, enabled=False):  # codes are multiplied in fp32 where there is no kernel
            if x.device.type == "cpu":
                y = int8_linear(x, codes, scale, float_bias)
            else:
                y = reference.int8_linears(x, [codes], [scale], [float_bias])[0]
        return y.clone()  # engines may return a view, which a model could not write to

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Of the input [M, K], the weight [N, K] and the bias [N], where they are asked for."""
        x, weight = ctx.saved_tensors
        wanted_x, wanted_weight, wanted_bias = ctx.needs_input_grad
        of_x = gradient @ as_quantized(weight).to(gradient.dtype) if wanted_x else None
        of_weight = gradient.t() @ as_quantized(x).to(gradient.dtype) if wanted_weight else None
        return of_x, of_weight, gradient.sum(0) if wanted_bias else None


class StraightThroughRows(torch.autograd.Function):
    """The values that the int8 codes of rows stand for; gradients pass as they come."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """[M, K], the same shape and dtype."""
        return as_quantized(x).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The gradient itself."""
        return gradient


def straight_through_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """What an int8 layer made from these computes, with gradients.

    Args:
        x: [..., K], fp32, fp16 or bf16, on any device.
        weight: [N, K] float.
        bias: [N] float or None.

    Returns:
        [..., N] in the dtype of `x`. On a CPU the bits are those of `nc_trainer.int8.ops.int8_linear`.
    """
    y: Tensor = StraightThroughLinear.apply(x.reshape(-1, x.shape[-1]), weight, bias)
    return y.reshape(*x.shape[:-1], weight.shape[0])


def straight_through_rows(x: Tensor) -> Tensor:
    """[..., K], each row as its int8 codes and scale have it, with gradients."""
    y: Tensor = StraightThroughRows.apply(x.reshape(-1, x.shape[-1]))
    return y.reshape(x.shape)


def as_quantized(rows: Tensor) -> Tensor:
    """The fp32 values [M, K] that the codes of `rows` stand for."""
    return dequantize_rows(*quantize_rows(rows))
