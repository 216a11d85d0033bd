"""Programs that call a model's `forward`, as sentence-transformers 6 does, pass by its hooks; here they do not."""

import inspect
import threading
from collections.abc import Callable
from types import CodeType
from typing import Any

import torch
from torch import nn

from nc_trainer.int8.nn.current_batch import Hook


def call_for_forward(model: nn.Module) -> Callable[[], None]:
    """Make `model.forward(...)` do what `model(...)` does, with all its hooks.

    Returns:
        A function that undoes it.
    """
    if isinstance(vars(model).get("forward"), _CalledForward):
        return lambda: None
    called = _CalledForward(model)
    begin, end = Hook(called.begin), Hook(called.end)
    begin.handle = model.register_forward_pre_hook(begin, prepend=True)
    end.handle = model.register_forward_hook(end, always_call=True)
    setattr(model, "forward", called)

    def undo() -> None:
        for hook in (begin, end):
            if hook.handle is not None:
                hook.handle.remove()
        if called.own is None:
            del model.forward
        else:
            setattr(model, "forward", called.own)

    return undo


class _CalledForward:
    """Stands in for the `forward` of one model: calls the model, unless that is what has called it, in this thread."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.own = vars(model).get("forward")
        self._threads: set[int] = set()
        self.__signature__ = inspect.signature(model.forward)

    @property
    def __code__(self) -> CodeType:
        """torch.export names the traced function by it."""
        return type(self.model).forward.__code__

    def __getstate__(self) -> dict[str, Any]:
        """Calls stay in their process."""
        return {**vars(self), "_threads": set()}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the model returns."""
        if torch.compiler.is_compiling() or threading.get_ident() in self._threads:
            return (
                type(self.model).forward(self.model, *args, **kwargs)
                if self.own is None
                else self.own(*args, **kwargs)
            )
        # Compiled hooks do not mark, and past the recompile limit this runs without being compiled.
        self.begin()
        try:
            return self.model(*args, **kwargs)
        finally:
            self.end()

    def begin(self, *args: Any) -> None:
        """A forward pre-hook of the model."""
        if not torch.compiler.is_compiling():
            self._threads.add(threading.get_ident())

    def end(self, *args: Any) -> None:
        """A forward hook of the model, also after an error."""
        if not torch.compiler.is_compiling():
            self._threads.discard(threading.get_ident())
