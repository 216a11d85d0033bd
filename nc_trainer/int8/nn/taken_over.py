"""An activation that linear layers apply themselves, and the module that stands in its place."""

from typing import Any

import torch
from torch import Tensor, nn

ACTIVATED = "_nc_trainer_activated"


def mark_activated(y: Tensor) -> None:
    """Say of the output of a linear layer that its activation was applied."""
    if not torch.compiler.is_compiling():
        setattr(y, ACTIVATED, version_of(y))


def version_of(x: Tensor) -> int:
    """How often `x` was written to; tensors of inference mode do not count it."""
    if torch.compiler.is_compiling():  # cannot be asked there; the passes that found what is fused saw no write
        return 0
    return 0 if x.is_inference() else x._version


class TakenOver(nn.Module):
    """Returns what a linear layer has activated as it is, and applies the activation to everything else.

    A compiled model takes the first for granted.

    Args:
        activation: the module that it replaces. Its hooks are those of this module.
    """

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Any shape and dtype, both kept."""
        if torch.compiler.is_compiling() or getattr(x, ACTIVATED, None) == version_of(x):
            return x
        return self.activation.forward(x, *args, **kwargs)
