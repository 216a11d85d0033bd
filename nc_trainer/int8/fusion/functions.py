"""Which of the activations that int8 layers can apply a module computes."""

from torch import nn
from transformers import activations

FUNCTIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
    activations.GELUActivation: "gelu",
    activations.NewGELUActivation: "gelu_tanh",
    activations.FastGELUActivation: "gelu_tanh",
}


def activation_function(module: nn.Module) -> str | None:
    """The name in `nc_trainer.int8.ops.ACTIVATIONS` of what an activation module computes, or None.

    Subclasses are left out: they may compute something else.
    """
    if type(module) is nn.GELU:
        return "gelu" if module.approximate == "none" else "gelu_tanh"
    return FUNCTIONS.get(type(module))
