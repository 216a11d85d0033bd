"""Layers that a model does not let be int8, because it reads their weights itself instead of calling them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.int8.proof.state import unchanged
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import logits

SHOWN = 3


def without_refused(
    swapper: ModuleSwapper, recipe: Recipe, examples: Mapping[str, Tensor]
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe without the layers whose being int8 is an error in the model's own code, and a sentence that says so.

    Jamba multiplies with `dt_proj.weight`, and Siglip2 casts its pictures to the dtype of a weight. One forward pass
    shows whether there are such layers; they are found by halving. Where the float model does not take the examples
    either, nothing is known and the recipe stays as it is. The model is left in float, as it was.

    Args:
        swapper: of the model.
        recipe: with everything in int8 that can be.
        examples: a few rows of model inputs, without labels.

    Returns:
        The recipe, and one note if layers were left out, else none.

    Raises:
        QuantizationError: no layer is left.
    """
    plain = Recipe(recipe.modules)
    with unchanged(swapper.model):
        try:
            if _runs(swapper, plain, examples) or not _runs(swapper, plain.in_float(), examples):
                return recipe, ()
            refused = _refused(swapper, plain, plain.quantized, examples)
        finally:
            swapper.restore()
    kept = {name: value for name, value in recipe.modules.items() if name not in refused}
    if not kept:
        raise QuantizationError(f"{type(swapper.model).__name__} reads the weight of every layer that could be int8.")
    return replace(recipe, modules=kept), (_note(refused),) if refused else ()


def _refused(
    swapper: ModuleSwapper, recipe: Recipe, names: Sequence[str], examples: Mapping[str, Tensor]
) -> list[str]:
    if _runs(swapper, recipe.only(names), examples):
        return []
    if len(names) == 1:
        return list(names)
    half = len(names) // 2
    return [name for part in (names[:half], names[half:]) for name in _refused(swapper, recipe, part, examples)]


def _runs(swapper: ModuleSwapper, recipe: Recipe, examples: Mapping[str, Tensor]) -> bool:
    swapper.apply(recipe)
    try:
        logits(swapper.model, examples)
    except Exception:  # the model's own code, on a weight that is not what it expects
        return False
    return True


def _note(refused: Sequence[str]) -> str:
    shown = ", ".join(refused[:SHOWN]) + (", ..." if len(refused) > SHOWN else ".")
    if len(refused) == 1:
        return f"1 layer stays in float, because the model reads its weight itself: {shown}"
    return f"{len(refused)} layers stay in float, because the model reads their weights itself: {shown}"
