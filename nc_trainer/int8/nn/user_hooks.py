"""Hooks that users register on modules, which stay when another module takes the place of theirs."""

from torch import nn

HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
)


def share_hooks(old: nn.Module, new: nn.Module) -> None:
    """Give `new` the hooks of `old`: those it has, and those that either is given or loses later."""
    for name in HOOKS:
        object.__setattr__(new, name, getattr(old, name))


def has_hooks(module: nn.Module) -> bool:
    """Whether anybody watches the calls of `module`."""
    return bool(module._forward_pre_hooks or module._forward_hooks)
