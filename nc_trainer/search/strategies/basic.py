"""The default: all int8, then fall back along a ranking, searched from its top, then take fallbacks back."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence

from nc_trainer.config.recipe import Recipe
from nc_trainer.search.strategies.base import Proposals, SearchSpace
from nc_trainer.search.trial import Trial

Spare = Callable[[Sequence[str]], Recipe]
"""The recipe in which these modules are spared int8, or the damage of it."""


class Basic:
    """Finds a short list of k fallbacks in about 2 log2(k) + k evaluations.

    1. Everything in int8. Usually that is all.
    2. Otherwise modules fall back from the most damaging on, damage being the squared error that the module alone
       causes in the logits, without labels. The shortest prefix of that ranking that meets the criterion is found by
       doubling its length from 1 and then bisecting (Bentley and Yao, "An almost optimal algorithm for unbounded
       searching", 1976): a good ranking has what matters at its top.
    3. Of that prefix, modules that turn out not to matter are taken back into int8, the least damaging first: one,
       then twice as many after every success, half as many after a failure. If no prefix but the float model itself
       meets the criterion, a module that matters is ranked last: the same is tried from the float model, beginning
       with all modules, until 2 log2(modules) proposals in a row are refused.

    Where a few columns of a module's input in float take its damage away (`SearchSpace.float_columns`), the module
    gets these in 2 and 3 instead of falling back, which costs less at run time. If no prefix is accepted so, all is
    done again with fallbacks alone.

    Neural Compressor's strategy of the same name reverts modules one by one and judges each by the metric; here
    that is called `sequential`.
    """

    finishes_itself = True
    needs_values = False

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        trial = yield space.recipe
        if trial.accepted:
            return
        ranking, columns = space.ranking(), space.float_columns()
        if columns:
            spare = _with_columns(space.recipe, columns)
            length = yield from _shortest_prefix(spare, ranking, len(ranking) + 1)
            if length <= len(ranking):
                yield from _take_back(spare, ranking[:length], 1)
                return
        length = yield from _shortest_prefix(space.recipe.with_fallbacks, ranking, len(ranking))
        if length < len(ranking):
            yield from _take_back(space.recipe.with_fallbacks, ranking[:length], 1)
            return
        yield from _take_back(space.recipe.with_fallbacks, ranking, len(ranking), _patience(len(ranking)))

    def expected_trials(self, modules: int) -> int:
        """One, doubling and bisecting, and a few for what is taken back."""
        return 4 + math.ceil(math.log2(max(modules, 2)))


def _patience(modules: int) -> int:
    return 2 * math.ceil(math.log2(max(modules, 2)))


def _with_columns(recipe: Recipe, columns: Mapping[str, tuple[int, ...]]) -> Spare:
    """Modules that columns in float are enough for stay in int8 with these, the others fall back."""

    def spare(names: Sequence[str]) -> Recipe:
        kept = {name: columns[name] for name in names if name in columns}
        return recipe.with_fallbacks(name for name in names if name not in kept).with_float_columns(kept)

    return spare


def _shortest_prefix(spare: Spare, ranking: Sequence[str], accepted: int) -> Generator[Recipe, Trial, int]:
    """The length of the shortest accepted prefix, `accepted` if no shorter one is; that one is not tried.

    With fallbacks alone it is the whole ranking, the float model; with columns it is one more than there are.
    """
    refused = 0
    doubled = 1
    while accepted - refused > 1:
        tried = min(doubled, (refused + accepted) // 2) if doubled else (refused + accepted) // 2
        trial = yield spare(ranking[:tried])
        if trial.accepted:
            accepted, doubled = tried, 0
        else:
            refused, doubled = tried, 2 * doubled
    return accepted


def _take_back(spare: Spare, fallbacks: Sequence[str], size: int, patience: int | None = None) -> Proposals:
    """Try `size` fallbacks at a time wholly in int8 again. The last is needed: without it the trial was refused.

    Ends when nothing is left to try, or after `patience` refusals in a row.
    """
    kept, left = list(fallbacks), list(reversed(fallbacks[:-1]))
    refusals = 0
    while left and refusals != patience:
        group = left[:size]
        fewer = [name for name in kept if name not in group]
        trial = yield spare(fewer)
        refusals = 0 if trial.accepted else refusals + 1
        if trial.accepted:
            kept, left, size = fewer, left[size:], 2 * size
        elif len(group) > 1:
            size = len(group) // 2
        else:
            left = left[1:]
