"""`nn.TransformerEncoderLayer` with int8 layers inside: its fast path reads float weights, so it is left."""

from collections.abc import Callable

from torch import nn

from nc_trainer.int8.nn import Int8Module

FAST: dict[type[nn.Module], tuple[str, object]] = {
    nn.TransformerEncoderLayer: ("activation_relu_or_gelu", 0),
    nn.TransformerEncoder: ("use_nested_tensor", False),
}
"""What each of them asks before it takes the fast path, and what keeps it from it."""


def leave_fast_path(model: nn.Module, *, everywhere: bool = False) -> Callable[[], None]:
    """Let such layers call their modules one by one, where these are int8; returns a function that undoes it.

    Args:
        model: any.
        everywhere: also where nothing is int8, for those who watch the modules.
    """
    changed: list[tuple[nn.Module, str, object]] = []
    for module in model.modules():
        attribute, value = FAST.get(type(module), ("", None))
        if attribute and (everywhere or any(isinstance(inner, Int8Module) for inner in module.modules())):
            changed.append((module, attribute, getattr(module, attribute)))
            setattr(module, attribute, value)

    def undo() -> None:
        for module, attribute, value in changed:
            setattr(module, attribute, value)

    return undo
