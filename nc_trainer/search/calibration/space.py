"""What a strategy may ask about the modules of a model, computed from calibration rows when it is asked."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.module_tree import submodule
from nc_trainer.int8.replay import Batch
from nc_trainer.search.calibration.activation import activation_errors
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
    labelled = cache(lambda: search.rows.labelled(min(rows, LABELLED_ROWS)))
    damage = cache(lambda: LogitsDamage(swapper, batches()[:2]))
    return SearchSpace(
        recipe=recipe,
        ranking=lambda: list(_ranking(search, recipe, journal, batches, reference.evaluation.rows)),
        activation_errors=cache(lambda: activation_errors(swapper, Recipe(recipe.modules), batches())),
        logits_damage=lambda other: damage()(other),
        hessian_sensitivities=cache(lambda: hessian_sensitivities(swapper, recipe, labelled(), seed=seed)),
        margin=margin(reference.criterion, reference.value),
        weights=swapper.weights(recipe),
        kinds={name: type(submodule(swapper.model, name)).__name__ for name in recipe.modules},
        seed=seed,
    )


def _ranking(
    search: Search,
    recipe: Recipe,
    journal: Journal,
    batches: Callable[[], Sequence[Batch]],
    evaluated_rows: int | None,
) -> Mapping[str, float]:
    """Damage by module name, the most damaging first. On as many rows as two evaluations pay for, where these are
    known."""
    if journal.ranking is None:
        chosen = _affordable(search, recipe, batches(), evaluated_rows) if evaluated_rows else batches()
        damage = sensitivities(search.swapper, recipe, chosen)
        journal.record_ranking({name: damage[name] for name in most_damaging_first(damage)})
    return journal.ranking or {}


def _affordable(search: Search, recipe: Recipe, batches: Sequence[Batch], evaluated_rows: int) -> Sequence[Batch]:
    most = search.config.quantization.calibration.sampling_size
    rows = min(most, affordable_rows(search.swapper, recipe, batches[0], evaluated_rows))
    logger.info("Ranking %d modules on %d rows.", len(recipe.quantized), rows)
    return search.rows.calibration(rows)
