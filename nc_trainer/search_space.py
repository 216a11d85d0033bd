"""What a strategy may ask about the modules of a trainer's model, computed from calibration data when it is asked."""

from functools import cache, cached_property
from typing import Any

from torch import Tensor
from transformers import Trainer

from nc_trainer.calibration.activation import activation_errors
from nc_trainer.calibration.batches import calibration_batches, labelled_batches
from nc_trainer.calibration.damage import LogitsDamage
from nc_trainer.calibration.hessian import hessian_sensitivities
from nc_trainer.calibration.sensitivity import sensitivities
from nc_trainer.quantize import ModuleSwapper
from nc_trainer.recipe import Recipe
from nc_trainer.tuning import Criterion, SearchSpace, Trial
from nc_trainer.tuning.journal import Journal
from nc_trainer.tuning.strategies.base import margin, most_damaging_first

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
        return calibration_batches(self.trainer, self.dataset, self.rows, self.seed)

    @cached_property
    def labelled_batches(self) -> list[dict[str, Tensor]]:
        """Fewer rows, with their labels."""
        return labelled_batches(self.trainer, self.dataset, min(self.rows, LABELLED_ROWS), self.seed)

    def search_space(
        self, swapper: ModuleSwapper, recipe: Recipe, criterion: Criterion, baseline: Trial, journal: Journal
    ) -> SearchSpace:
        """All that strategies ask for. The ranking is kept in the journal."""
        damage = cache(lambda: LogitsDamage(swapper, self.batches[:2]))
        return SearchSpace(
            recipe=recipe,
            ranking=lambda: self._ranking(swapper, recipe, journal),
            activation_errors=cache(lambda: activation_errors(swapper, recipe, self.batches)),
            logits_damage=lambda other: damage()(other),
            hessian_sensitivities=cache(
                lambda: hessian_sensitivities(swapper, recipe, self.labelled_batches, seed=self.seed)
            ),
            margin=margin(criterion, baseline.value if baseline.value is not None else 0.0),
            weights=swapper.weights(recipe),
            kinds={name: type(swapper.model.get_submodule(name)).__name__ for name in recipe.modules},
            seed=self.seed,
        )

    def _ranking(self, swapper: ModuleSwapper, recipe: Recipe, journal: Journal) -> list[str]:
        if journal.ranking is None:
            damage = sensitivities(swapper, recipe, self.batches)
            journal.record_ranking({name: damage[name] for name in most_damaging_first(damage)})
        return list(journal.ranking or ())
