"""Strategies that are not told of luck: what a lucky trial counts as, and what that costs."""

from collections.abc import Callable

import pytest
from helpers.planted import fallbacks, names, space

from nc_trainer import Recipe
from nc_trainer.search import CompleteTrial, SearchSpace, Strategy, make_strategy
from nc_trainer.search.strategies.agreeing import Agreeing
from nc_trainer.search.strategies.base import answered

MODULES = names(38)
LONG = 100
Verdict = Callable[[Recipe], str]
"""accepted, lucky or refused."""


def searched(strategy: Strategy, verdict: Verdict, searched_space: SearchSpace | None = None) -> list[CompleteTrial]:
    """Every new trial, up to the first accepted one if the strategy does not end by itself."""
    seen: dict[Recipe, CompleteTrial] = {}
    proposals = strategy.proposals(searched_space or space(MODULES))
    proposed = next(proposals, None)
    while proposed is not None and len(seen) < LONG:
        said = verdict(proposed)
        trial = CompleteTrial(len(seen) + 1, proposed, 1.0, said == "accepted", 0.0, lucky=said == "lucky")
        trial = seen.setdefault(proposed, trial)
        if trial.accepted and not strategy.finishes_itself:
            break
        proposed = answered(proposals, trial)
    return list(seen.values())


def lucky_until(*needed: str) -> Verdict:
    return lambda recipe: "accepted" if set(needed) <= set(recipe.fallbacks) else "lucky"


def agreeing(name: str, **options: object) -> Agreeing:
    return Agreeing(make_strategy(name), MODULES, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["basic", "sequential", "conservative", "random"])
def test_what_is_accepted_at_once_costs_nothing_more(name: str) -> None:
    plain = searched(make_strategy(name), lambda recipe: "accepted")
    assert searched(agreeing(name), lambda recipe: "accepted") == plain


def test_modules_that_are_needed_to_agree_are_found() -> None:
    seen = searched(agreeing("basic"), lucky_until("m000", "m001"))
    assert fallbacks(seen) == ["", "000 001 002 003", "000", "000 001", "001"]


def test_four_modules_that_lead_the_ranking_cost_no_evaluation_more() -> None:
    seen = searched(agreeing("basic"), lucky_until(*MODULES[:4]))
    plain = searched(
        make_strategy("basic"), lambda r: "accepted" if set(MODULES[:4]) <= set(r.fallbacks) else "refused"
    )
    assert {trial.recipe for trial in seen} == {trial.recipe for trial in plain}


def test_where_a_few_fallbacks_do_not_help_the_metric_alone_decides() -> None:
    seen = searched(agreeing("basic"), lucky_until(*MODULES[:5]))
    assert fallbacks(seen) == ["", "000 001 002 003"]


def test_a_lucky_recipe_after_refused_ones_is_looked_at_likewise() -> None:
    def verdict(recipe: Recipe) -> str:
        fell = set(recipe.fallbacks)
        return "accepted" if {"m000", "m003"} <= fell else "lucky" if "m000" in fell else "refused"

    seen = searched(agreeing("basic"), verdict)
    assert fallbacks(seen)[:3] == ["", "000", "000 001 002 003 004"]
    best = min((trial for trial in seen if trial.accepted), key=lambda trial: len(trial.recipe.fallbacks))
    assert best.recipe.fallbacks == ("m000", "m003")


def test_fixed_modules_do_not_fall_back() -> None:
    strategy = Agreeing(make_strategy("basic"), MODULES[2:])
    assert fallbacks(searched(strategy, lucky_until("m004")))[1] == "002 003 004 005"


@pytest.mark.parametrize("stops", [True, False])
def test_a_strategy_that_goes_on_for_ever_ends_where_luck_is_taken(stops: bool) -> None:
    seen = searched(agreeing("sequential", stops_when_found=stops), lambda recipe: "lucky")
    assert (len(seen) == 2) is stops


def test_nothing_but_float_is_left_to_try() -> None:
    seen = searched(Agreeing(make_strategy("basic"), ["m000"]), lambda recipe: "lucky", space(["m000"]))
    assert fallbacks(seen) == [""]
