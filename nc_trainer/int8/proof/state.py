"""Leaving a model as it was where its forward pass changes it: BigBird gives up sparse attention on short rows."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

SIMPLE = (bool, int, float, str, type(None))
IGNORED = {"training"}


class ModelState:
    """Attributes, submodules and buffers of a model outside of its weights, and its config, as they are now."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._modules = [(module, _attributes(module), dict(module._modules)) for module in model.modules()]
        self._buffers = [
            (module, name, buffer, buffer.detach().clone())
            for module in model.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None and name in module._non_persistent_buffers_set
        ]
        self._config = _attributes(getattr(model, "config", None))

    def restore(self) -> None:
        """Give all of it back. What was added since, such as caches, stays."""
        for module, attributes, children in self._modules:
            _give_back(module, attributes)
            for name, child in children.items():
                if module._modules.get(name) is not child:
                    module._modules[name] = child
        for module, name, buffer, value in self._buffers:
            module._buffers[name] = buffer
            if buffer.shape == value.shape and buffer.dtype == value.dtype:
                buffer.data.copy_(value)
        if getattr(self.model, "config", None) is not None:
            _give_back(self.model.config, self._config)


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """The model is afterwards what it is now, whatever forward passes in between do to it."""
    state = ModelState(model)
    try:
        yield
    finally:
        state.restore()


def _attributes(holder: Any) -> dict[str, Any]:
    """Plain values that `holder` has now, by name; lists and dictionaries as copies."""
    found: dict[str, Any] = {}
    for name, value in vars(holder).items() if holder is not None else ():
        if name in IGNORED or name.startswith("__"):
            continue
        if isinstance(value, SIMPLE):
            found[name] = value
        elif isinstance(value, list | dict) and not name.startswith("_") and not _holds_tensors(value):
            found[name] = copy.deepcopy(value)
    return found


def _give_back(holder: Any, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        if name not in vars(holder) or vars(holder)[name] != value:
            vars(holder)[name] = value


def _holds_tensors(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return any(isinstance(item, Tensor | nn.Module) for item in items)
