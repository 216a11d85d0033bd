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
       Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).

    Neural Compressor's strategy of the same name reverts modules one by one and judges each by the metric; here
    that is called `sequential`.
    """

    finishes_itself = True

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        trial = yield space.recipe
        if trial.accepted:
            return
        ranking = space.ranking()
        length = yield from _shortest_prefix(space.recipe, ranking)
        if length is not None:
            yield from _take_back(space.recipe, ranking[:length])

    def expected_trials(self, modules: int) -> int:
        """One, the bisection, and a few for what is taken back."""
        return 4 + math.ceil(math.log2(max(modules, 2)))


def _shortest_prefix(recipe: Recipe, ranking: Sequence[str]) -> Generator[Recipe, Trial, int | None]:
    """The length of the shortest accepted prefix, None if only the whole ranking, the float model, would do."""
    refused, accepted = 0, len(ranking)
    while accepted - refused > 1:
        middle = (refused + accepted) // 2
        trial = yield recipe.with_fallbacks(ranking[:middle])
        if trial.accepted:
            accepted = middle
        else:
            refused = middle
    return accepted if accepted < len(ranking) else None


def _take_back(recipe: Recipe, fallbacks: Sequence[str]) -> Proposals:
    """Try groups of fallbacks in int8 again. The last of the prefix is needed: without it the trial was refused."""
    kept = list(fallbacks)
    groups = [list(fallbacks[:-1])]
    while groups:
        group = groups.pop()
        if not group:
            continue
        fewer = [name for name in kept if name not in group]
        trial = yield recipe.with_fallbacks(fewer)
        if trial.accepted:
            kept = fewer
        elif len(group) > 1:
            half = len(group) // 2
            groups += [group[:half], group[half:]]
