"""The default: all int8, then fall back along a ranking, bisected, then take fallbacks back."""

import math
from collections.abc import Generator, Sequence

from nc_trainer.recipe import Recipe
from nc_trainer.tuning.strategies.base import Proposals, SearchSpace
from nc_trainer.tuning.trial import Trial


class Basic:
    """Finds a short list of fallbacks in about log2(modules) evaluations.

    1. Everything in int8. Usually that is all.
    2. Otherwise modules fall back from the most damaging on, damage being the squared error that the module alone
       causes in the logits, without labels. The shortest prefix of that ranking that meets the criterion is found
       by bisection.
    3. Of that prefix, modules that turn out not to matter are taken back into int8, in halves (Zeller and
       Hildebrandt, "Simplifying and isolating failure-inducing input", 2002). If no prefix but the float model itself
       meets the criterion, a module that matters is ranked last: the same is tried from the float model, until
       2 log2(modules) proposals in a row are refused.

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
        ranking = space.ranking()
        length = yield from _shortest_prefix(space.recipe, ranking)
        patience = _patience(len(ranking)) if length == len(ranking) else None
        yield from _take_back(space.recipe, ranking[:length], patience)

    def expected_trials(self, modules: int) -> int:
        """One, the bisection, and a few for what is taken back."""
        return 4 + math.ceil(math.log2(max(modules, 2)))


def _patience(modules: int) -> int:
    return 2 * math.ceil(math.log2(max(modules, 2)))


def _shortest_prefix(recipe: Recipe, ranking: Sequence[str]) -> Generator[Recipe, Trial, int]:
    """The length of the shortest accepted prefix. The whole ranking is the float model and needs no trial."""
    refused, accepted = 0, len(ranking)
    while accepted - refused > 1:
        middle = (refused + accepted) // 2
        trial = yield recipe.with_fallbacks(ranking[:middle])
        if trial.accepted:
            accepted = middle
        else:
            refused = middle
    return accepted


def _take_back(recipe: Recipe, fallbacks: Sequence[str], patience: int | None) -> Proposals:
    """Try groups of fallbacks in int8 again. The last of the prefix is needed: without it the trial was refused.

    Ends when nothing is left to try, or after `patience` refusals in a row.
    """
    kept = list(fallbacks)
    groups = [list(fallbacks[:-1])]
    refusals = 0
    while groups and refusals != patience:
        group = groups.pop()
        if not group:
            continue
        fewer = [name for name in kept if name not in group]
        trial = yield recipe.with_fallbacks(fewer)
        refusals = 0 if trial.accepted else refusals + 1
        if trial.accepted:
            kept = fewer
        elif len(group) > 1:
            half = len(group) // 2
            groups += [group[:half], group[half:]]
