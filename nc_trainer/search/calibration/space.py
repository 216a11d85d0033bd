"""What a strategy may ask about the modules of a model, computed from calibration rows when it is asked."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.module_tree import submodule
from nc_trainer.int8.replay import Batch
from nc_trainer.search.calibration.activation import activation_errors
from nc_trainer.search.calibration.column_choice import columns_that_help
from nc_trainer.search.calibration.damage import LogitsDamage
from nc_trainer.search.calibration.hessian import hessian_sensitivities
from nc_trainer.search.calibration.sensitivity import affordable_rows, sensitivities
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.journal import Journal
from nc_trainer.search.search import Search
from nc_trainer.search.strategies.base import SearchSpace, margin, most_damaging_first

logger = logging.getLogger(__name__)

LABELLED_ROWS = 16
"""A Hessian trace takes two backward passes for each of its samples, so it gets fewer rows."""


def search_space(search: Search, recipe: Recipe, reference: Reference, journal: Journal) -> SearchSpace:
    """All that strategies ask for. The ranking is kept in the journal.

    Args:
        recipe: everything in int8 that may be.
        reference: the float model.
    """
    swapper, seed = search.swapper, search.config.tuning.random_seed
    rows = search.config.quantization.calibration.sampling_size
    batches = cache(lambda: search.rows.calibration(rows))
    ranked = cache(lambda: _affordable(search, recipe, batches(), reference.evaluation.rows))
    labelled = cache(lambda: search.rows.labelled(min(rows, LABELLED_ROWS)))
    damage = cache(lambda: LogitsDamage(swapper, batches()[:2]))
    return SearchSpace(
        recipe=recipe,
        ranking=lambda: list(_ranking(search, recipe, journal, ranked)),
        activation_errors=cache(lambda: activation_errors(swapper, Recipe(recipe.modules), batches())),
        logits_damage=lambda other: damage()(other),
        float_columns=cache(lambda: _float_columns(search, recipe, journal, ranked)),
        hessian_sensitivities=cache(lambda: hessian_sensitivities(swapper, recipe, labelled(), seed=seed)),
        margin=margin(reference.criterion, reference.value),
        weights=swapper.weights(recipe),
        kinds={name: type(submodule(swapper.model, name)).__name__ for name in recipe.modules},
        seed=seed,
    )


def _ranking(
    search: Search, recipe: Recipe, journal: Journal, ranked: Callable[[], Sequence[Batch]]
) -> Mapping[str, float]:
    """Damage by module name, the most damaging first."""
    if journal.ranking is None:
        damage = sensitivities(search.swapper, recipe, ranked())
        journal.record_ranking({name: damage[name] for name in most_damaging_first(damage)})
    return journal.ranking or {}


def _float_columns(
    search: Search, recipe: Recipe, journal: Journal, ranked: Callable[[], Sequence[Batch]]
) -> Mapping[str, tuple[int, ...]]:
    """Columns that are enough, on the rows of the ranking; nothing where the configuration does not want any."""
    if not search.config.quantization.recipes.float_columns:
        return {}
    return columns_that_help(search.swapper, recipe, _ranking(search, recipe, journal, ranked), ranked())


def _affordable(
    search: Search, recipe: Recipe, batches: Sequence[Batch], evaluated_rows: int | None
) -> Sequence[Batch]:
    """Batches of as many rows as an evaluation pays for, where its rows are known."""
    if not evaluated_rows:
        return batches
    most = search.config.quantization.calibration.sampling_size
    rows = min(most, affordable_rows(search.swapper, recipe, batches[0], evaluated_rows))
    logger.info("Ranking %d modules on %d rows.", len(recipe.quantized), rows)
    return search.rows.calibration(rows)
