"""Find what can be fused by watching one forward pass, whatever the modules are called."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import activations

from nc_trainer.config.recipe import FusedActivation, Precision, Recipe
from nc_trainer.int8.module_tree import hookable


def activation_function(module: nn.Module) -> str | None:
    """The name in `nc_trainer.int8.ops.ACTIVATIONS` of what an activation module computes, or None."""
    if type(module) is nn.GELU:
        return "gelu" if module.approximate == "none" else "gelu_tanh"
    return FUNCTIONS.get(type(module))


FUNCTIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
    activations.GELUActivation: "gelu",
    activations.NewGELUActivation: "gelu_tanh",
    activations.FastGELUActivation: "gelu_tanh",
}


def with_fusions(model: nn.Module, recipe: Recipe, batch: Mapping[str, Tensor]) -> Recipe:
    """The recipe with what can be fused in the model, as one forward pass over `batch` shows.

    Linear layers share their input if they are always called one after the other with the same tensor. A linear layer
    takes its activation over if nothing but that module reads its output.

    Args:
        model: the float model, in place.
        recipe: names the modules that may be int8.
        batch: model inputs; one row is enough.
    """
    names = [name for name, value in recipe.modules.items() if value is Precision.INT8_DYNAMIC]
    was_training = model.training
    with hookable(model, names) as linears:
        watch = _Watch(linears)
        with watch.hooked(model), watch, torch.no_grad():
            model.eval()(**batch)
    model.train(was_training)
    return replace(recipe, shared_inputs=watch.shared_inputs(list(recipe.modules)), activations=watch.activations())


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


@dataclass
class _Watch(TorchDispatchMode):
    """Sees every call of the linear and activation modules, and every operation that reads a linear layer's output."""

    linears: Mapping[str, nn.Module]
    calls: list[_Call] = field(default_factory=list)
    outputs: dict[int, _Output] = field(default_factory=dict)
    foreign_inputs: set[str] = field(default_factory=set)
    functions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._active: _Output | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in tree_leaves((args, kwargs or {})):
            output = self.outputs.get(_storage(leaf)) if isinstance(leaf, Tensor) else None
            if output is not None and output is not self._active:
                output.read_elsewhere = True
        return func(*args, **(kwargs or {}))

    @contextmanager
    def hooked(self, model: nn.Module) -> Iterator[None]:
        handles = []
        for name, module in self.linears.items():
            handles.append(module.register_forward_pre_hook(lambda m, args, name=name: self._called(name, args)))
            handles.append(module.register_forward_hook(lambda m, args, y, name=name: self._returned(name, y)))
        for name, module in model.named_modules():
            if function := activation_function(module):
                self.functions[name] = function
                before = partial(self._activates, name)
                handles.append(module.register_forward_pre_hook(lambda m, args, before=before: before(args)))
                handles.append(module.register_forward_hook(lambda m, args, y: self._activated()))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _called(self, name: str, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor):
            self.calls.append(_Call(name, args[0], args[0]._version))

    def _returned(self, name: str, y: Tensor) -> None:
        self.outputs[_storage(y)] = _Output(name, y)

    def _activates(self, name: str, args: tuple[Any, ...]) -> None:
        output = self.outputs.get(_storage(args[0])) if args and isinstance(args[0], Tensor) else None
        if output is None or output.tensor is not args[0] or output.activation not in (None, name):
            self.foreign_inputs.add(name)
            return
        output.activation = name
        self._active = output

    def _activated(self) -> None:
        self._active = None

    def shared_inputs(self, order: list[str]) -> tuple[tuple[str, ...], ...]:
        """Groups of linear layers in which every call of a member is part of the same sequence of calls."""
        runs: list[list[_Call]] = []
        for call in self.calls:
            last = runs[-1][-1] if runs else None
            same = last is not None and last.x is call.x and last.version == call.version
            if same and call.name not in [other.name for other in runs[-1]]:
                runs[-1].append(call)
            else:
                runs.append([call])
        groups = defaultdict(set)
        for run in runs:
            for call in run:
                groups[call.name].add(tuple(other.name for other in run))
        found = {next(iter(seen)) for seen in groups.values() if len(seen) == 1}
        whole = [group for group in found if len(group) > 1 and all(groups[name] == {group} for name in group)]
        return tuple(sorted(whole, key=lambda group: order.index(group[0])))

    def activations(self) -> dict[str, FusedActivation]:
        """By linear layer, the activation module that is the only one to read any of its outputs."""
        seen = defaultdict(set)
        for output in self.outputs.values():
            seen[output.linear].add(None if output.read_elsewhere else output.activation)
        pairs = {name: next(iter(modules)) for name, modules in seen.items() if len(modules) == 1}
        fusable = {name: module for name, module in pairs.items() if module and module not in self.foreign_inputs}
        complete = {
            module
            for module in fusable.values()
            if all(fusable.get(o.linear) == module for o in self.outputs.values() if o.activation == module)
        }
        return {
            name: FusedActivation(fusable[name], self.functions[fusable[name]])
            for name in self.linears
            if fusable.get(name) in complete
        }


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
