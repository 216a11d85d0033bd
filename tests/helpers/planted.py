"""Planted problems without models: what int8 costs is made up, so that the answer is known."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nc_trainer import Precision, Recipe
from nc_trainer.search import CompleteTrial, SearchSpace, Strategy, Trial

Judge = Callable[[Recipe], float]
"""The metric of a recipe, larger being better; it is accepted from 0 on, and NaN is a failed trial."""


def names(count: int) -> list[str]:
    return [f"m{number:03}" for number in range(count)]


def space(modules: list[str], **inputs: Any) -> SearchSpace:
    """Linear modules, ranked in the order given."""
    recipe = inputs.pop("recipe", Recipe(dict.fromkeys(modules, Precision.INT8_DYNAMIC)))
    return SearchSpace(recipe, lambda: list(modules), **inputs)


def needs(*sensitive: str) -> Judge:
    """A recipe is accepted when these fall back; the metric counts those that do not."""
    return lambda recipe: -float(len(set(sensitive) & set(recipe.quantized)))


def adds_up(damage: Mapping[str, float], tolerated: float) -> Judge:
    """Each module in int8 costs its damage."""
    return lambda recipe: tolerated - sum(damage[name] for name in recipe.quantized)


def trials(strategy: Strategy, searched: SearchSpace, judge: Judge) -> Iterator[Trial]:
    """Every proposal with its verdict, as long as there are any; a proposal that comes again gets its first trial."""
    known: dict[Recipe, Trial] = {}
    proposals = strategy.proposals(searched)
    proposed = next(proposals, None)
    while proposed is not None:
        value = judge(proposed)
        number = len(known) + 1
        if math.isnan(value):
            known.setdefault(proposed, Trial(number, proposed, None, False, 0.0, error="NaN"))
        else:
            known.setdefault(proposed, CompleteTrial(number, proposed, value, value >= 0, 0.0))
        yield known[proposed]
        try:
            proposed = proposals.send(known[proposed])
        except StopIteration:
            return


def until_accepted(strategy: Strategy, searched: SearchSpace, judge: Judge) -> list[Trial]:
    """What a search without a timeout sees, without repeated proposals."""
    seen: list[Trial] = []
    for trial in trials(strategy, searched, judge):
        if trial not in seen:
            seen.append(trial)
        if trial.accepted and not strategy.finishes_itself:
            break
    return seen


def fallbacks(seen: Sequence[Trial]) -> list[str]:
    """The fallbacks of each trial, as one string of names without the leading `m`, e.g. `000 002`."""
    return [" ".join(name.removeprefix("m") for name in trial.recipe.fallbacks) for trial in seen]


def best(seen: list[Trial]) -> set[str]:
    """The fallbacks of the accepted trial with the fewest."""
    accepted = [trial.recipe.fallbacks for trial in seen if trial.accepted]
    return set(sorted(accepted, key=len)[0])
