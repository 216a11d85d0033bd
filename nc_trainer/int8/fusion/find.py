"""Find what can be fused by watching forward passes over several batches, whatever the modules are called."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import nn

from nc_trainer.config.recipe import FusedActivation, Precision, Recipe
from nc_trainer.int8.fusion.call_recorder import CallRecorder
from nc_trainer.int8.ops.activations import activation_of


@dataclass
class Seen:
    """What several forward passes have shown.

    Attributes:
        groups: by linear layer, the sequences of calls with one input that it was part of.
        readers: by linear layer, the activations that alone read an output of it; None where something else does.
        users: by activation, the linear layers an output of which it reads.
        foreign: activations that were given something else than the whole output of a linear layer.
    """

    groups: dict[str, set[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(set))
    readers: dict[str, set[str | None]] = field(default_factory=lambda: defaultdict(set))
    users: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    foreign: set[str] = field(default_factory=set)

    def add(self, calls: CallRecorder) -> None:
        """Take in one forward pass."""
        for run in calls.runs():
            for name in run:
                self.groups[name].add(run)
        for output in calls.outputs.values():
            self.readers[output.linear].add(None if output.read_elsewhere else output.activation)
            if output.activation:
                self.users[output.activation].add(output.linear)
        self.foreign |= calls.foreign_inputs

    def shared_inputs(self, order: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """Groups of linear layers in which every call of a member is part of the same sequence of calls."""
        found = {next(iter(runs)) for runs in self.groups.values() if len(runs) == 1}
        whole = [run for run in found if len(run) > 1 and all(self.groups[name] == {run} for name in run)]
        names = list(order)
        return tuple(sorted(whole, key=lambda run: names.index(run[0])))

    def activations(self, functions: Mapping[str, str]) -> dict[str, FusedActivation]:
        """By linear layer, the activation that alone reads its outputs, if it reads nothing but such outputs.

        Args:
            functions: what each activation module computes, by name.
        """
        only = {name: next(iter(readers)) for name, readers in self.readers.items() if len(readers) == 1}
        fusable = {name: module for name, module in only.items() if module and module not in self.foreign}
        return {
            name: FusedActivation(module, functions[module])
            for name, module in fusable.items()
            if all(fusable.get(user) == module for user in self.users[module])
        }


def with_fusions(model: nn.Module, recipe: Recipe, batches: Iterable[Mapping[str, object]]) -> Recipe:
    """The recipe with what can be fused in the model, as forward passes over the batches show.

    Linear layers share their input if they are always called one after the other with the same tensor. A linear layer
    takes its activation over if nothing but that module reads its output, and that module reads nothing else. What no
    batch reaches is left alone.

    Args:
        model: the float model, in place.
        recipe: names the modules that may be int8.
        batches: model inputs of different sizes, lengths and paddings.
    """
    names = [name for name, value in recipe.modules.items() if value is Precision.INT8_DYNAMIC]
    seen = Seen()
    for batch in batches:
        calls = CallRecorder(names)
        calls.run(model, batch)
        seen.add(calls)
    return fused_as(model, recipe, seen)


def fused_as(model: nn.Module, recipe: Recipe, seen: Seen) -> Recipe:
    """The recipe with the fusions that were seen."""
    functions = {name: function for name, m in model.named_modules() if (function := activation_of(m))}
    found = seen.activations(functions)
    return recipe.fused(seen.shared_inputs(recipe.modules), {n: found[n] for n in recipe.modules if n in found})
