"""Activations outside of int8 layers: an element has the bits that an int8 layer gives it, wherever it stands."""

from typing import Any

import torch
from torch import Tensor

from nc_trainer.int8.ops.activations import ACTIVATIONS
from nc_trainer.int8.ops.engines import current_engine, native


def float_activation(x: Tensor, activation: str) -> Tensor:
    """`ACTIVATIONS[activation](x)`, in the native engine by its own kernels.

    torch computes the last elements of what it gives to a thread by another formula than those before, so that a last
    bit depends on where in a batch a row stands. Models that are compiled take torch's.

    Args:
        x: any shape, in a float dtype; computed in fp32.
        activation: a name in `ACTIVATIONS`.

    Returns:
        The same shape and dtype; gradients are torch's.
    """
    if torch.compiler.is_compiling() or x.device.type != "cpu" or current_engine().NAME != native.NAME:
        return ACTIVATIONS[activation](x)
    if torch.is_grad_enabled() and x.requires_grad:
        return _WithGradient.apply(x, activation)
    return _computed(x, activation)


def _computed(x: Tensor, activation: str) -> Tensor:
    return torch.ops.nc_trainer_native.activate(x.float(), activation).to(x.dtype)


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.activation = activation
        return _computed(x, activation)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            return torch.autograd.grad(ACTIVATIONS[ctx.activation](leaf), leaf, gradient)[0], None
