"""Activations that an int8 linear layer can apply to its outputs before they are rounded and stored.

To add one: a line in both tables here, and a line and a function in C++, see csrc/activation.h.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import activations

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda y: y,
    "gelu": F.gelu,
    "gelu_tanh": lambda y: F.gelu(y, approximate="tanh"),
    "quick_gelu": lambda y: y * torch.sigmoid(1.702 * y),
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}
"""What each computes, by the name it has in recipes and in C++."""

_GELU_TANH = getattr(activations, "GELUTanh", None) or activations.PytorchGELUTanh

MODULES: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
    activations.GELUActivation: "gelu",
    activations.NewGELUActivation: "gelu_tanh",
    activations.FastGELUActivation: "gelu_tanh",
    activations.AccurateGELUActivation: "gelu_tanh",
    activations.QuickGELUActivation: "quick_gelu",
    activations.SiLUActivation: "silu",
    _GELU_TANH: "gelu_tanh",
}
"""The modules that compute them and nothing else, by their exact type."""


def activation_of(module: nn.Module) -> str | None:
    """The name in `ACTIVATIONS` of what an activation module computes, or None."""
    if type(module) is nn.GELU:
        return "gelu" if module.approximate == "none" else "gelu_tanh"
    return MODULES.get(type(module))
