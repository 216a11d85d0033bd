"""Layers of an int8 model that stay in float: a row is computed as if it were alone."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from nc_trainer.int8.nn.user_hooks import share_hooks
from nc_trainer.int8.ops.activations import activation_of
from nc_trainer.int8.ops.float_activation import float_activation
from nc_trainer.int8.ops.float_linear import float_linear


class FloatLinear(nn.Linear):
    """An `nn.Linear` whose outputs in fp32 depend on their own row only; see `nc_trainer.int8.ops.float_linear`."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] to [..., out], in the dtype of the input."""
        return float_linear(input, self.weight, self.bias)


class FloatConv1D(Conv1D):
    """The same for the `Conv1D` of transformers."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out], in the dtype of the input."""
        return float_linear(x, self.weight, self.bias, transposed=True)


class FloatActivation(nn.Module):
    """An activation whose bits are those that an int8 layer gives; see `nc_trainer.int8.ops.float_activation`.

    Args:
        activation: the module that it replaces. Its hooks are those of this module.
        function: what that computes, a name in `nc_trainer.int8.ops.ACTIVATIONS`.
    """

    def __init__(self, activation: nn.Module, function: str) -> None:
        super().__init__()
        self.activation = activation
        self.function = function
        share_hooks(activation, self)
        self.train(activation.training)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Any shape and dtype, both kept."""
        return float_activation(x, self.function)


LINEAR: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: FloatLinear, Conv1D: FloatConv1D}


def compute_rows_alone(model: nn.Module) -> Callable[[], None]:
    """Let every `nn.Linear`, `Conv1D` and known activation of the model be one of these.

    Linear layers stay the same objects, with their hooks and parameters.

    Returns:
        A function that undoes it.
    """
    undo = [_change_class(module) for module in model.modules() if type(module) in LINEAR]
    stand_ins: dict[nn.Module, FloatActivation] = {}
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child is not None and (function := activation_of(child)):
                stand_in = stand_ins.setdefault(child, FloatActivation(child, function))
                undo.append(_replace(parent, name, stand_in))

    def undo_all() -> None:
        for step in reversed(undo):
            step()

    return undo_all


def _change_class(module: nn.Module) -> Callable[[], None]:
    kind = type(module)
    module.__class__ = LINEAR[kind]

    def undo() -> None:
        module.__class__ = kind

    return undo


def _replace(parent: nn.Module, name: str, stand_in: FloatActivation) -> Callable[[], None]:
    setattr(parent, name, stand_in)

    def undo() -> None:
        setattr(parent, name, stand_in.activation)

    return undo
