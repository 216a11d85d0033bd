"""Any strategy; what met the criterion by luck counts as refused where a few fallbacks mend it."""

from collections.abc import Collection
from dataclasses import replace

from nc_trainer.config.recipe import Recipe
from nc_trainer.search.agreement import few, is_cheap
from nc_trainer.search.strategies.base import Proposals, SearchSpace, Strategy, answered, needs_values


class Agreeing:
    """Answers a strategy whether a lucky trial is accepted.

    A trial is lucky if its metric meets the criterion, and more predictions changed than losses of the tolerated size
    explain (`search.agreement`). Then the same recipe is tried with a tenth of the modules more in float, the most
    damaging ones. If that is accepted there is a cheap way, and the lucky trial counts as refused: the strategy goes
    on and finds a shorter list. If it is not, the changes come from everywhere, and the criterion's plain meaning is
    all that can be asked for: the lucky trial counts as accepted.

    Costs one evaluation, or two if there is no cheap way from a later trial. A strategy knows nothing of this.

    Args:
        strategy: any.
        free: names of the modules that may fall back.
        stops_when_found: end a strategy that does not end by itself at a lucky trial that counts as accepted.
    """

    def __init__(self, strategy: Strategy, free: Collection[str], stops_when_found: bool = True) -> None:
        self.strategy = strategy
        self.free = frozenset(free)
        self.stops_when_found = stops_when_found
        self.finishes_itself = strategy.finishes_itself
        self.needs_values = needs_values(strategy)

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        inner = self.strategy.proposals(space)
        mended: list[Recipe] = []
        plain = False
        proposed = next(inner, None)
        while proposed is not None:
            trial = yield proposed
            if trial.accepted:
                mended.append(proposed)
            if trial.lucky and not plain and not any(is_cheap(proposed, other) for other in mended):
                more = self._with_more_in_float(proposed, space)
                plain = not more.quantized or not (yield more).accepted
                mended += [] if plain else [more]
            if trial.lucky and plain:
                trial = replace(trial, accepted=True, lucky=False)
                if self.stops_when_found and not self.finishes_itself:
                    return
            proposed = answered(inner, trial)

    def expected_trials(self, modules: int) -> int:
        """The strategy's own."""
        return self.strategy.expected_trials(modules)

    def _with_more_in_float(self, recipe: Recipe, space: SearchSpace) -> Recipe:
        left = [name for name in space.ranking() if name in self.free and name not in recipe.fallbacks]
        return recipe.with_fallbacks([*recipe.fallbacks, *left[: few(recipe)]])
