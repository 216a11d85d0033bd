"""One forward pass of a float model, watched: who is called with what, and who reads what linear layers return."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nc_trainer.int8.module_tree import hookable
from nc_trainer.int8.ops.activations import activation_of


@dataclass
class _Call:
    """One call of a linear layer."""

    name: str
    x: Tensor
    version: int


@dataclass
class _Output:
    """What a linear layer returned. It is kept, so that its memory is not given to another tensor."""

    linear: str
    tensor: Tensor
    activation: str | None = None
    read_elsewhere: bool = False


class CallRecorder(TorchDispatchMode):
    """Sees every call of the linear and activation modules, and every operation that reads a linear layer's output.

    Args:
        names: of the linear layers.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.calls: list[_Call] = []
        self.outputs: dict[int, _Output] = {}
        self.foreign_inputs: set[str] = set()
        self._active: _Output | None = None

    def run(self, model: nn.Module, batch: Mapping[str, Any]) -> Any:
        """Record the calls of the model, in evaluation mode, on one batch; returns what it returns."""
        was_training = model.training
        model.eval()
        try:
            with hookable(model, self.names) as linears, self._hooked(model, linears), self, torch.no_grad():
                output = model(**batch)
        finally:
            model.train(was_training)
        for leaf in _tensors(output):
            self._read(leaf)
        return output

    def runs(self) -> list[tuple[str, ...]]:
        """The calls, as sequences of different layers that were called with one tensor."""
        runs: list[list[_Call]] = []
        for call in self.calls:
            last = runs[-1][-1] if runs else None
            same = last is not None and last.x is call.x and last.version == call.version
            if same and call.name not in [other.name for other in runs[-1]]:
                runs[-1].append(call)
            else:
                runs.append([call])
        return [tuple(call.name for call in run) for run in runs]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in _tensors((args, kwargs or {})):
            self._read(leaf)
        return func(*args, **(kwargs or {}))

    def _read(self, tensor: Tensor) -> None:
        """Something but the activation that is being computed reads, or returns, this tensor."""
        output = self.outputs.get(_storage(tensor))
        if output is not None and output is not self._active:
            output.read_elsewhere = True

    @contextmanager
    def _hooked(self, model: nn.Module, linears: Mapping[str, nn.Module]) -> Iterator[None]:
        handles = []
        for name, module in linears.items():
            handles.append(module.register_forward_pre_hook(partial(self._called, name), with_kwargs=True))
            handles.append(module.register_forward_hook(partial(self._returned, name)))
        for name, module in model.named_modules():
            if activation_of(module):
                handles.append(module.register_forward_pre_hook(partial(self._activates, name)))
                handles.append(module.register_forward_hook(self._activated))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _called(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        for x in (*args, *kwargs.values()):
            if isinstance(x, Tensor):
                self.calls.append(_Call(name, x, x._version))

    def _returned(self, name: str, module: nn.Module, args: Any, y: Tensor) -> None:
        self.outputs[_storage(y)] = _Output(name, y)

    def _activates(self, name: str, module: nn.Module, args: tuple[Any, ...]) -> None:
        output = self.outputs.get(_storage(args[0])) if args and isinstance(args[0], Tensor) else None
        if output is None or output.tensor is not args[0] or output.activation not in (None, name):
            self.foreign_inputs.add(name)
            return
        output.activation = name
        self._active = output

    def _activated(self, module: nn.Module, args: Any, y: Any) -> None:
        self._active = None


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
