"""Rows of padding that int8 linear layers need not compute."""

import inspect
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nc_trainer.int8.nn.linear import Int8Linear


class RealRows:
    """Which rows of the batch that a model is computing are not padding, as its attention mask says.

    Linear layers whose input is [batch, tokens, ...] in the shape of the mask compute these rows only; the others
    become zero. Each thread has its own batch.
    """

    def __init__(self) -> None:
        self._current: dict[int, tuple[torch.Size, Tensor]] = {}

    def of(self, x: Tensor) -> Tensor | None:
        """The numbers of the rows of `x` to compute, int64; None for all."""
        if torch.compiler.is_compiling() or not self._current:
            return None
        current = self._current.get(threading.get_ident())
        return current[1] if current is not None and x.dim() == 3 and x.shape[:2] == current[0] else None

    def begin(self, mask: Any) -> None:
        """Take the mask of the batch that comes next: [batch, tokens], not zero where a token is real."""
        if torch.compiler.is_compiling() or not isinstance(mask, Tensor) or mask.dim() != 2:
            return
        rows = mask.flatten().nonzero().squeeze(1)
        if len(rows) < mask.numel():
            self._current[threading.get_ident()] = mask.shape, rows

    def end(self) -> None:
        """Forget the batch."""
        if not torch.compiler.is_compiling():
            self._current.pop(threading.get_ident(), None)


def skip_padding(model: nn.Module) -> Callable[[], None]:
    """Let the int8 linear layers of `model` skip padding, wherever its forward is given an `attention_mask`.

    Returns:
        A function that undoes it.
    """
    rows = RealRows()
    linears = [module for module in model.modules() if isinstance(module, Int8Linear)]
    mask_of = _argument(model, "attention_mask")
    before = model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.begin(mask_of(args, kwargs)), with_kwargs=True
    )
    after = model.register_forward_hook(lambda module, args, output: rows.end(), always_call=True)
    for linear in linears:
        linear.real_rows = rows

    def undo() -> None:
        before.remove()
        after.remove()
        for linear in linears:
            linear.real_rows = None

    return undo


def _argument(model: nn.Module, name: str) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """Reads an argument of the model's forward, however it was passed."""
    parameters = list(inspect.signature(model.forward).parameters)
    position = parameters.index(name) if name in parameters else len(parameters)
    return lambda args, kwargs: args[position] if len(args) > position else kwargs.get(name)
