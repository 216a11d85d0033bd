"""bfloat16 for what is not int8: kept where the criterion allows, whatever the strategy."""

from collections.abc import Callable

import pytest
from helpers.planted import Judge, names, trials
from helpers.planted import space as space_of

from nc_trainer import Precision, Recipe
from nc_trainer.search import STRATEGIES, SearchSpace, Strategy, Trial, make_strategy
from nc_trainer.search.strategies.float_dtype import NarrowFloat

MODULES = names(6)
WITHOUT_OPTUNA = [name for name in sorted(STRATEGIES) if name not in ("bayesian", "tpe")]


def space() -> SearchSpace:
    recipe = Recipe(dict.fromkeys(MODULES, Precision.INT8_DYNAMIC), "bfloat16")
    damage: dict[str, float] = {name: float(len(MODULES) - rank) for rank, name in enumerate(MODULES)}
    return space_of(
        MODULES,
        recipe=recipe,
        activation_errors=lambda: damage,
        hessian_sensitivities=lambda: damage,
        logits_damage=lambda other: sum(damage[name] for name in other.quantized),
    )


def judge(int8: Callable[[Recipe], float], bfloat16: float) -> Judge:
    """What int8 costs by the recipe's modules, and bfloat16 always; accepted down to 0."""
    return lambda recipe: int8(recipe) - (bfloat16 if recipe.float_dtype == "bfloat16" else 0.0)


def harmless(recipe: Recipe) -> float:
    return 1.0


def one_is_sensitive(recipe: Recipe) -> float:
    return 1.0 if MODULES[1] in recipe.fallbacks else -1.0


def searched(strategy: str, judged: Judge, stops: bool = True) -> list[Trial]:
    return once(NarrowFloat(make_strategy(strategy), stops), judged)


def once(strategy: Strategy, judged: Judge) -> list[Trial]:
    """Each trial once, however often its recipe is proposed."""
    found = {trial.number: trial for trial in trials(strategy, space(), judged)}
    return [found[number] for number in sorted(found)]


def shown(found: list[Trial]) -> list[str]:
    return [f"{trial.recipe.float_dtype} {' '.join(trial.recipe.fallbacks)}".strip() for trial in found]


def test_nothing_is_harmed() -> None:
    assert shown(searched("basic", judge(harmless, 0.0))) == ["bfloat16"]


def test_bfloat16_alone_breaks_the_criterion() -> None:
    assert shown(searched("basic", judge(harmless, 2.0))) == ["bfloat16", "float32"]


def test_int8_breaks_the_criterion_and_bfloat16_does_not() -> None:
    assert shown(searched("basic", judge(one_is_sensitive, 0.0))) == [
        *("bfloat16", "float32"),
        *("float32 m000", "float32 m000 m001", "float32 m001"),
        "bfloat16 m001",
    ]


def test_both_break_it() -> None:
    found = searched("basic", judge(one_is_sensitive, 2.0))
    assert shown(found)[-2:] == ["float32 m001", "bfloat16 m001"]
    assert [trial.accepted for trial in found[-2:]] == [True, False]


@pytest.mark.parametrize("stops", [True, False], ids=["stops-when-found", "has-time"])
@pytest.mark.parametrize("bfloat16", [0.0, 2.0], ids=["bfloat16-is-harmless", "bfloat16-is-not"])
@pytest.mark.parametrize("int8", [harmless, one_is_sensitive])
@pytest.mark.parametrize("strategy", WITHOUT_OPTUNA)
def test_every_strategy_ends_in_the_dtype_that_the_criterion_allows(
    strategy: str, int8: Callable[[Recipe], float], bfloat16: float, stops: bool
) -> None:
    found = searched(strategy, judge(int8, bfloat16), stops)
    accepted = [trial.recipe for trial in found if trial.accepted and trial.recipe.quantized]
    best = max(accepted, key=lambda recipe: (len(recipe.quantized), recipe.float_dtype == "bfloat16"))
    assert best.float_dtype == ("float32" if bfloat16 else "bfloat16")
    if int8 is harmless:
        assert best.quantized == tuple(MODULES) or strategy == "random"


def test_a_strategy_sees_float32_recipes_only() -> None:
    seen: list[Recipe] = []

    class Looks:
        finishes_itself = True
        needs_values = False

        def proposals(self, space: SearchSpace):  # type: ignore[no-untyped-def]  # noqa: ANN202
            seen.append(space.recipe)
            for name in MODULES[:3]:
                trial = yield space.recipe.with_fallbacks([name])
                seen.append(trial.recipe)

        def expected_trials(self, modules: int) -> int:
            return 3

    list(trials(NarrowFloat(Looks()), space(), judge(one_is_sensitive, 0.0)))
    assert {recipe.float_dtype for recipe in seen} == {"float32"}
    assert NarrowFloat(Looks()).needs_values is False
    assert NarrowFloat(make_strategy("sequential")).needs_values is True


def test_it_costs_two_evaluations_at_most() -> None:
    plain = once(make_strategy("basic"), judge(one_is_sensitive, 0.0))
    assert len(searched("basic", judge(one_is_sensitive, 0.0))) == len(plain) + 2
