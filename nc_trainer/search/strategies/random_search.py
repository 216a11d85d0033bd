"""Recipes at random."""

import random
from collections.abc import Generator

from nc_trainer.config.recipe import Recipe
from nc_trainer.search.strategies.base import Proposals, SearchSpace


class Random:
    """Each module is int8 or float with equal probability; no recipe comes twice, and the float model never.

    Costs as many evaluations as the budget allows: half of all modules are in float, so that an acceptable recipe is
    usually found soon and is seldom a good one.

    Source: the strategy `random` of Neural Compressor, which draws among int8 schemes. Bergstra and Bengio, "Random
    search for hyper-parameter optimization" (2012).
    """

    finishes_itself = False
    needs_values = False

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        yield from shuffled_recipes(space.recipe, space.seed)

    def expected_trials(self, modules: int) -> int:
        """All there are."""
        return 2**modules - 1


def shuffled_recipes(recipe: Recipe, seed: int) -> Generator[Recipe, object, None]:
    """All ways of making some of the recipe's modules float, but not all, in random order.

    The numbers whose bits say which modules fall back are shuffled by Fisher and Yates. Only what has been moved is
    stored, so that it takes no more than what is drawn.
    """
    generator = random.Random(seed)
    names = recipe.quantized
    count = 2 ** len(names) - 1  # the number left out has every bit set: the float model
    moved: dict[int, int] = {}
    for place in range(count):
        other = generator.randrange(place, count)
        drawn = moved.get(other, other)
        moved[other] = moved.pop(place, place)
        yield recipe.with_fallbacks(name for bit, name in enumerate(names) if drawn >> bit & 1)
