"""What a strategy may ask about the modules of a trainer's model, computed from calibration data when it is asked."""

import logging
from functools import cache, cached_property
from typing import Any

from torch import Tensor
from transformers import Trainer

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.module_tree import submodule
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.search import Criterion, SearchSpace, Trial
from nc_trainer.search.calibration.activation import activation_errors
from nc_trainer.search.calibration.batches import calibration_batches, labelled_batches
from nc_trainer.search.calibration.damage import LogitsDamage
from nc_trainer.search.calibration.hessian import hessian_sensitivities
from nc_trainer.search.calibration.sensitivity import affordable_rows, sensitivities
from nc_trainer.search.journal import Journal
from nc_trainer.search.strategies.base import margin, most_damaging_first

logger = logging.getLogger(__name__)

LABELLED_ROWS = 16
"""A Hessian trace takes two backward passes for each of its samples, so it gets fewer rows."""


class Calibration:
    """Some rows of a data set, and what they tell about a model.

    Args:
        trainer: collates the rows.
        dataset: the train data set, or another one.
        rows: how many of it, at most.
        seed: which of them.
    """

    def __init__(self, trainer: Trainer, dataset: Any, rows: int, seed: int) -> None:
        self.trainer = trainer
        self.dataset = dataset
        self.rows = rows
        self.seed = seed

    @cached_property
    def batches(self) -> list[dict[str, Tensor]]:
        """The rows without their labels."""
        return self.unlabelled(self.rows)

    @cached_property
    def labelled_batches(self) -> list[dict[str, Tensor]]:
        """Fewer rows, with their labels."""
        return labelled_batches(self.trainer, self.dataset, min(self.rows, LABELLED_ROWS), self.seed)

    def unlabelled(self, rows: int) -> list[dict[str, Tensor]]:
        """So many rows without their labels."""
        return calibration_batches(self.trainer, self.dataset, rows, self.seed)

    def search_space(
        self,
        swapper: ModuleSwapper,
        recipe: Recipe,
        criterion: Criterion,
        baseline: Trial,
        journal: Journal,
        evaluated_rows: int | None = None,
    ) -> SearchSpace:
        """All that strategies ask for. The ranking is kept in the journal.

        Args:
            swapper: of the model.
            recipe: everything in int8 that may be.
            criterion: what is accepted.
            baseline: trial 0, the float model.
            journal: keeps the ranking.
            evaluated_rows: how many an evaluation has, so that the ranking costs no more than two; None if unknown.
        """
        damage = cache(lambda: LogitsDamage(swapper, self.batches[:2]))
        return SearchSpace(
            recipe=recipe,
            ranking=lambda: self._ranking(swapper, recipe, journal, evaluated_rows),
            activation_errors=cache(lambda: activation_errors(swapper, Recipe(recipe.modules), self.batches)),
            logits_damage=lambda other: damage()(other),
            hessian_sensitivities=cache(
                lambda: hessian_sensitivities(swapper, recipe, self.labelled_batches, seed=self.seed)
            ),
            margin=margin(criterion, baseline.value if baseline.value is not None else 0.0),
            weights=swapper.weights(recipe),
            kinds={name: type(submodule(swapper.model, name)).__name__ for name in recipe.modules},
            seed=self.seed,
        )

    def _ranking(self, swapper: ModuleSwapper, recipe: Recipe, journal: Journal, evaluated: int | None) -> list[str]:
        if journal.ranking is None:
            batches = self._affordable(swapper, recipe, evaluated) if evaluated else self.batches
            damage = sensitivities(swapper, recipe, batches)
            journal.record_ranking({name: damage[name] for name in most_damaging_first(damage)})
        return list(journal.ranking or ())

    def _affordable(self, swapper: ModuleSwapper, recipe: Recipe, evaluated: int) -> list[dict[str, Tensor]]:
        rows = min(self.rows, affordable_rows(swapper, recipe, self.batches[0], evaluated))
        logger.info("Ranking %d modules on %d rows.", len(recipe.quantized), rows)
        return self.unlabelled(rows)
