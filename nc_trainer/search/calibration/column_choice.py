"""Which columns of a module's input to keep in float, and whether that is enough. No labels are needed."""

import logging
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.int8.module_tree import hookable, submodule
from nc_trainer.int8.nn import KINDS
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import Batch, logits
from nc_trainer.search.calibration.sensitivity import sensitivities

logger = logging.getLogger(__name__)

COUNTS = (1, 2, 4, 8)
"""How many columns a module may have in float. Each costs as much as some tens of columns in int8."""
STANDS_OUT = 4.0
"""So many times the median damage is more than that of an ordinary module."""
AS_GOOD = 2.0
"""Fewer columns are chosen if the squared error of the output is at most so many times that of the best choice."""
SAMPLED_ROWS = 256


def columns_that_help(
    swapper: ModuleSwapper, recipe: Recipe, damage: Mapping[str, float], batches: Sequence[Batch]
) -> dict[str, tuple[int, ...]]:
    """Columns of the inputs of modules that stand out, with which in float these do little damage.

    A module stands out if its damage is more than `STANDS_OUT` times the median. Of each that is a plain linear layer
    columns are chosen, and the damage that is left is measured as the ranking was: they are enough if it is at most
    that of all modules together that do not stand out. Costs one forward pass, and for each module that stands out
    what ranking it cost. The model is left in float.

    Args:
        swapper: of the model.
        recipe: the modules, with the precision each would take.
        damage: by module name, see `sensitivity.sensitivities`.
        batches: what the damage was measured on.
    """
    ordinary = STANDS_OUT * statistics.median(damage.values())
    rest = sum(value for value in damage.values() if value <= ordinary)
    swapper.restore()
    linears = _of_linears(swapper.model, [name for name, value in damage.items() if value > ordinary])
    if not linears:
        return {}
    inputs = sampled_inputs(swapper.model, list(linears), batches)
    chosen = {name: choose_columns(linears[name], rows) for name, rows in inputs.items()}
    tried = Recipe(dict.fromkeys(chosen, Precision.INT8_DYNAMIC), float_columns=chosen)
    left = sensitivities(swapper, tried, batches)
    enough = {name: columns for name, columns in chosen.items() if left[name] <= rest}
    logger.info("Of %d damaging modules columns in float are enough for %d.", len(linears), len(enough))
    return enough


@torch.no_grad()
def sampled_inputs(model: nn.Module, names: Sequence[str], batches: Sequence[Batch]) -> dict[str, Tensor]:
    """About `SAMPLED_ROWS` rows of the input of each module that ran, [rows, K] fp32, evenly spaced over all of them.

    Args:
        model: in float.
        names: linear modules.
        batches: model inputs without labels.
    """
    found: dict[str, list[Tensor]] = {}
    few = max(1, SAMPLED_ROWS // len(batches))

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            rows = args[0].flatten(0, -2)
            found.setdefault(name, []).append(rows[:: max(1, len(rows) // few)].float())

        return hook

    with hookable(model, names) as modules:
        hooks = [module.register_forward_pre_hook(keep(name)) for name, module in modules.items()]
        try:
            for batch in batches:
                logits(model, batch)
        finally:
            for hook in hooks:
                hook.remove()
    return {name: torch.cat(parts) for name, parts in found.items()}


@torch.no_grad()
def choose_columns(module: nn.Linear | Conv1D, inputs: Tensor) -> tuple[int, ...]:
    """The columns of a linear layer to keep in float, at most as many as the last of `COUNTS`.

    Columns are ordered by the largest magnitude of their inputs, of their weights, and by the product of both. Of each
    order the first few are tried on the rows given; of the choices that leave at most `AS_GOOD` times the squared
    error of the best one, that with the fewest columns is taken, and of these the best.

    Args:
        module: an `nn.Linear` or a `Conv1D`, in float.
        inputs: rows that it is given, [rows, K] fp32.

    Returns:
        Numbers in rising order.

    Source: ours; the choice of whole columns is that of Dettmers et al. (2022), see `int8.ops.float_columns`.
    """
    expected = module(inputs.to(module.weight.dtype)).float()
    errors = {
        columns: float((_int8(module, columns)(inputs) - expected).double().square().sum())
        for columns in _candidates(module, inputs)
    }
    good = AS_GOOD * min(errors.values())
    return min(errors, key=lambda columns: (errors[columns] > good, len(columns), errors[columns]))


def _candidates(module: nn.Linear | Conv1D, inputs: Tensor) -> Iterator[tuple[int, ...]]:
    weight = module.weight.detach().float()
    weights = weight.abs().amax(1 if isinstance(module, Conv1D) else 0)
    activations = inputs.abs().amax(0)
    for size in (activations, weights, activations * weights):
        order = size.argsort(descending=True, stable=True).tolist()
        yield from (tuple(sorted(order[:count])) for count in COUNTS if count < len(order))


def _int8(module: nn.Module, columns: tuple[int, ...]) -> nn.Module:
    return KINDS[type(module)].from_float(module, columns=columns).eval()


def _of_linears(model: nn.Module, names: Iterable[str]) -> dict[str, nn.Linear | Conv1D]:
    """The modules of these names that are of a kind that can have columns in float."""
    modules = {name: submodule(model, name) for name in names}
    return {name: module for name, module in modules.items() if isinstance(module, (nn.Linear, Conv1D))}
