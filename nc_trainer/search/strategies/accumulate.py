"""Falling back along an order of modules: the two passes that Neural Compressor's strategies share."""

from collections.abc import Sequence

from nc_trainer.search.strategies.base import Proposals, SearchSpace
from nc_trainer.search.trial import Trial


def keep_what_helps(space: SearchSpace, order: Sequence[str], start: Trial) -> Proposals:
    """Revert one module more at a time, and undo it unless the metric is strictly better than the best so far.

    Args:
        order: the modules to revert, the first first.
        start: the trial of the all-int8 recipe, whose metric is the first to beat.
    """
    kept: list[str] = []
    best = space.margin(start)
    for name in order:
        recipe = space.recipe.with_fallbacks([*kept, name])
        if not recipe.quantized:
            return
        found = space.margin((yield recipe))
        if found > best:
            best = found
            kept.append(name)


def keep_all(space: SearchSpace, order: Sequence[str]) -> Proposals:
    """Revert one module more at a time, whatever comes of it."""
    for length in range(1, len(order) + 1):
        yield space.recipe.with_fallbacks(order[:length])
