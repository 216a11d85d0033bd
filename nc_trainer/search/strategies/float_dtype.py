"""Any strategy, with what is not int8 in bfloat16 as long as the criterion allows it."""

from dataclasses import replace

from nc_trainer.config.recipe import Recipe
from nc_trainer.search.strategies.base import Proposals, SearchSpace, Strategy, answered, needs_values

FLOAT32 = "float32"


class NarrowFloat:
    """Tries what a strategy proposes in the recipe's own float dtype first, and in float32 where that is refused.

    1. As long as they are accepted, proposals are tried in the recipe's float dtype, usually bfloat16. The first one
       that is refused is tried in float32 next, and so is everything after it: the search for fallbacks is then about
       int8 alone.
    2. What was accepted in float32 is tried in the narrow dtype again: the recipe with the most weights in int8 when
       the strategy has ended, or every accepted one at once if the strategy does not end by itself.

    The strategy sees float32 recipes only and knows nothing of this. Costs at most two evaluations more than the
    strategy, if it ends by itself.

    Args:
        strategy: any.
        stops_when_found: end a strategy that does not end by itself at its first accepted recipe.
    """

    finishes_itself = True

    def __init__(self, strategy: Strategy, stops_when_found: bool = True) -> None:
        self.strategy = strategy
        self.stops_when_found = stops_when_found
        self.needs_values = needs_values(strategy)

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        narrow, dtype = space.recipe.float_dtype, space.recipe.float_dtype
        inner = self.strategy.proposals(replace(space, recipe=space.recipe.with_rest_in(FLOAT32)))
        accepted: list[Recipe] = []
        proposed = next(inner, None)
        while proposed is not None:
            trial = yield proposed.with_rest_in(dtype)
            if dtype != FLOAT32 and not trial.accepted:
                dtype = FLOAT32
                trial = yield proposed
            if trial.accepted:
                accepted.append(proposed)
                if not self.strategy.finishes_itself:
                    yield proposed.with_rest_in(narrow)
                    if self.stops_when_found:
                        return
            proposed = answered(inner, replace(trial, recipe=proposed))
        yield from _best_of(accepted, narrow, space)

    def expected_trials(self, modules: int) -> int:
        """One more than the strategy."""
        return 1 + self.strategy.expected_trials(modules)


def _best_of(accepted: list[Recipe], dtype: str, space: SearchSpace) -> Proposals:
    """The accepted recipe with the most weights in int8, of these that with the fewest modules that have columns in
    float, in this dtype; costs nothing if it was tried."""

    def preference(recipe: Recipe) -> tuple[int, int]:
        return sum(space.weights[name] for name in recipe.quantized), -len(recipe.float_columns)

    if accepted:
        yield max(accepted, key=preference).with_rest_in(dtype)
