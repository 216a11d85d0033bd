"""Every recipe there is."""

from itertools import combinations

from nc_trainer.search.strategies.base import Proposals, SearchSpace


class Exhaustive:
    """All choices of fallbacks, the fewest first, without the float model.

    The first acceptable recipe has as few fallbacks as any. Recipes are made when they are asked for.

    Costs up to 2**modules - 1 evaluations; with k fallbacks needed about modules**k / k!.

    Source: the strategy `exhaustive` of Neural Compressor, which leaves float fallbacks out.
    """

    finishes_itself = False
    needs_values = False

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        names = space.recipe.quantized
        for size in range(len(names)):
            for fallbacks in combinations(names, size):
                yield space.recipe.with_fallbacks(fallbacks)

    def expected_trials(self, modules: int) -> int:
        """All there are."""
        return 2**modules - 1
