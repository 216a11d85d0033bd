"""Ranking modules by the damage that each alone does to the logits. No labels are needed."""

import math
from collections.abc import Sequence

from torch import Tensor

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import Batch, Replay

EVALUATIONS = 1
"""What a ranking costs, counted in rows of an evaluation. In seconds it is up to twice as much, because small batches
take longer per row."""
FEWEST_ROWS = 4
"""Below that a ranking says more about the rows than about the modules."""


def sensitivities(swapper: ModuleSwapper, recipe: Recipe, batches: Sequence[Batch]) -> dict[str, float]:
    """Squared error of the model's logits, summed over `batches`, with one module at a time in int8.

    What a module's layer is fed does not depend on the module, so the forward pass starts at that layer, see `Replay`:
    that halves the cost of one forward pass over the batches for each module. What is not int8 computes as in the
    float model, whatever the recipe says of it. The model is left in float.

    Args:
        swapper: of the model.
        recipe: the modules to rank, with the precision and the columns in float that each would have.
        batches: model inputs without labels, already collated.

    Returns:
        Damage by module name, in the recipe's order; infinite where the logits are not finite.
    """
    damage = dict.fromkeys(recipe.quantized, 0.0)
    for batch in batches:
        swapper.restore()
        replay = Replay(swapper.model, batch, recipe.quantized)
        for name in recipe.quantized:
            swapper.apply(Recipe({name: recipe.modules[name]}, float_columns=_columns_of(recipe, name)))
            damage[name] += _squared_error(replay.logits(name), replay.expected)
            swapper.apply(Recipe({name: Precision.FLOAT}))
    swapper.restore()
    return damage


def affordable_rows(swapper: ModuleSwapper, recipe: Recipe, batch: Batch, evaluated_rows: int) -> int:
    """How many rows `sensitivities` may take and cost `EVALUATIONS` evaluations; at least `FEWEST_ROWS`.

    Args:
        swapper: of the model.
        recipe: the modules to rank.
        batch: any rows, to see in which order modules run: two forward passes at most.
        evaluated_rows: how many rows an evaluation has.
    """
    swapper.restore()
    recorded_and_checked = 2
    passes = Replay(swapper.model, batch, recipe.quantized).passes(recipe.quantized) + recorded_and_checked
    return max(FEWEST_ROWS, int(EVALUATIONS * evaluated_rows / passes))


def _columns_of(recipe: Recipe, name: str) -> dict[str, tuple[int, ...]]:
    return {name: recipe.float_columns[name]} if name in recipe.float_columns else {}


def _squared_error(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    error = sum(float((a - b).double().square().sum()) for a, b in zip(found, expected, strict=True))
    return error if error < math.inf else math.inf
