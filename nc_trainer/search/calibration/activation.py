"""How much int8 changes what each module puts out. No labels are needed."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.module_tree import hookable
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import Batch, logits

Outputs = dict[str, list[Tensor]]


def activation_errors(swapper: ModuleSwapper, recipe: Recipe, batches: Sequence[Batch]) -> dict[str, float]:
    """Mean squared error between each module's output in the float model and in the model under `recipe`.

    Both outputs are first scaled to [0, 1] by their own smallest and largest value. The int8 module sees the input
    that it has in the int8 model, so errors of earlier modules show in later ones. Costs two forward passes over the
    batches. The model is left in float.

    Args:
        swapper: of the model.
        recipe: the modules to compare, usually all that can be int8.
        batches: model inputs without labels, already collated.

    Returns:
        Error by module name, in the recipe's order; infinite where an output is not finite, 0 for a module that
        never ran.

    Source: Neural Compressor's strategy `mse` (neural_compressor/strategy/mse.py).
    """
    errors = dict.fromkeys(recipe.quantized, 0.0)
    for batch in batches:
        swapper.restore()
        before = _outputs(swapper.model, recipe.quantized, batch)
        swapper.apply(recipe)
        after = _outputs(swapper.model, recipe.quantized, batch)
        for name in before:
            errors[name] += _mean_error(before[name], after[name]) / len(batches)
    swapper.restore()
    return errors


def _outputs(model: nn.Module, names: Iterable[str], batch: Batch) -> Outputs:
    """The outputs of every call of each module, in the order of the calls."""
    found: Outputs = {}
    with _recorded(model, names, found):
        logits(model, batch)
    return found


@contextmanager
def _recorded(model: nn.Module, names: Iterable[str], found: Outputs) -> Iterator[None]:
    def recorder(name: str) -> Callable[..., None]:
        def record(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            found.setdefault(name, []).append(output.detach().float())

        return record

    with hookable(model, names) as modules:
        hooks = [module.register_forward_hook(recorder(name)) for name, module in modules.items()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _mean_error(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """The mean over all elements of all calls."""
    squared = sum(float((_scaled(a) - _scaled(b)).square().sum()) for a, b in zip(before, after, strict=True))
    error = squared / max(sum(tensor.numel() for tensor in before), 1)
    return error if math.isfinite(error) else math.inf


def _scaled(x: Tensor) -> Tensor:
    """To [0, 1]; a constant becomes 0."""
    low, high = (x.min(), x.max()) if x.numel() else (x.new_zeros(()), x.new_zeros(()))
    spread = high - low
    return ((x - low) / torch.where(spread == 0, 1.0, spread)).double()
