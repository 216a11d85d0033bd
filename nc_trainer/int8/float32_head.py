"""A model whose rest is bfloat16 ends in float32: what follows its last layer, and what it returns."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from nc_trainer.int8.module_tree import submodule

HALF = (torch.bfloat16, torch.float16)


def widen_head(model: nn.Module, after: str) -> Callable[[], None]:
    """Cast what the module `after` returns (empty: none) and what the model returns to float32.

    Returns:
        A function that undoes it.
    """
    modules = [submodule(model, after), model] if after else [model]
    handles = [module.register_forward_hook(returns_float32) for module in modules]

    def undo() -> None:
        for handle in handles:
            handle.remove()

    return undo


def returns_float32(module: nn.Module, args: Any, output: Any) -> Any:
    """A forward hook: every half-precision tensor in the output as float32, whatever holds them."""
    return tree_map(_widened, output)


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value
