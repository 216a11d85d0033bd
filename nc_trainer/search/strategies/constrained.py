"""Any strategy, on the modules that a configuration leaves free."""

from collections.abc import Collection, Generator, Mapping
from dataclasses import replace
from typing import TypeVar

from nc_trainer.config.recipe import Recipe
from nc_trainer.search.strategies.base import Proposals, SearchSpace, Strategy, answered, needs_values
from nc_trainer.search.trial import Trial

Value = TypeVar("Value")


class Constrained:
    """Shows a strategy the free modules alone, and completes its recipes with those that are fixed.

    Args:
        strategy: never sees a fixed module, so it cannot propose to change one.
        free: names of the modules whose precision is searched.
    """

    def __init__(self, strategy: Strategy, free: Collection[str]) -> None:
        self.strategy = strategy
        self.free = frozenset(free)
        self.finishes_itself = strategy.finishes_itself
        self.needs_values = needs_values(strategy)

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`. Without a free module there is one recipe.

        Strategies take it that everything in float needs no trial, being the float model. With modules fixed in int8
        it is not, so it is tried last if nothing else was accepted.
        """
        if not self.free:
            yield space.recipe
            return
        accepted = yield from self._inner(space)
        most_float = space.recipe.with_fallbacks([*space.recipe.fallbacks, *self.free])
        if most_float.quantized and not accepted:
            yield most_float

    def expected_trials(self, modules: int) -> int:
        """The strategy's own, for the free modules."""
        return self.strategy.expected_trials(len(self.free)) if self.free else 1

    def _inner(self, space: SearchSpace) -> Generator[Recipe, Trial, bool]:
        """Whether a recipe of the strategy was accepted."""
        inner = self.strategy.proposals(self._narrowed(space))
        proposed = next(inner, None)
        accepted = False
        while proposed is not None:
            trial = yield _completed(proposed, space.recipe)
            accepted = accepted or trial.accepted
            proposed = answered(inner, replace(trial, recipe=proposed))
        return accepted

    def _narrowed(self, space: SearchSpace) -> SearchSpace:
        free = {name: precision for name, precision in space.recipe.modules.items() if name in self.free}
        return replace(
            space,
            recipe=Recipe(free, space.recipe.float_dtype),
            ranking=lambda: [name for name in space.ranking() if name in self.free],
            activation_errors=lambda: self._of_free(space.activation_errors()),
            logits_damage=lambda recipe: space.logits_damage(_completed(recipe, space.recipe)),
            hessian_sensitivities=lambda: self._of_free(space.hessian_sensitivities()),
            float_columns=lambda: self._of_free(space.float_columns()),
        )

    def _of_free(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {name: value for name, value in values.items() if name in self.free}


def _completed(recipe: Recipe, whole: Recipe) -> Recipe:
    completed = replace(whole, modules={**whole.modules, **recipe.modules}, float_columns=recipe.float_columns)
    return completed if recipe.float_dtype == whole.float_dtype else completed.with_rest_in(recipe.float_dtype)
