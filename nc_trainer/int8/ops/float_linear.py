"""Linear layers that stay in fp32: the bits of a row do not depend on what is computed with it."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nc_trainer.int8.ops.engines import native


def float_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, transposed: bool = False) -> Tensor:
    """`x @ weight.T + bias`, as `torch.nn.functional.linear` defines it.

    In fp32, wherever the native engine runs, each output is summed by fused multiply-adds in an order of its own: the
    same bits for any number of rows and threads and on every instruction set. 16 lanes sum the products at i, i + 16,
    i + 32, ... and are added pair by pair; a transposed weight is summed in the order of K. torch's own product is
    blocked by the number of rows. Everything else is torch's function, and so is a model that is compiled.

    Args:
        x: [..., K].
        weight: [N, K], or [K, N] where it is transposed.
        bias: [N] or None.
        transposed: `x @ weight + bias`.

    Returns:
        [..., N] in the dtype of `x`; gradients are torch's.
    """
    if torch.compiler.is_compiling() or not _is_ours(x, weight):
        return F.linear(x, weight.T if transposed else weight, bias)
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        return _WithGradient.apply(x, weight, bias, transposed)
    return torch.ops.nc_trainer_native.float_linear(x, weight, bias, transposed)


def _is_ours(x: Tensor, weight: Tensor) -> bool:
    on_cpu = x.device.type == "cpu" and x.dim() > 0
    return x.dtype == weight.dtype == torch.float32 and on_cpu and native.unavailable_reason() is None


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.transposed, ctx.has_bias = transposed, bias is not None
        return torch.ops.nc_trainer_native.float_linear(x, weight, bias, transposed)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        of_weight = rows.T @ x.reshape(-1, x.shape[-1])
        return (
            gradient @ (weight.T if ctx.transposed else weight),
            of_weight.T if ctx.transposed else of_weight,
            rows.sum(0) if ctx.has_bias else None,
            None,
        )
