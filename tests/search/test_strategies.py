"""What each strategy proposes, on planted problems. `basic` and the Optuna ones have files of their own."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from helpers.planted import Judge, adds_up, best, fallbacks, names, needs, space, trials, until_accepted
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer import Precision, QuantizationError, Recipe
from nc_trainer.search import STRATEGIES, Criterion, Metric, SearchSpace, make_strategy
from nc_trainer.search.strategies import margin
from nc_trainer.search.strategies.conservative import role
from nc_trainer.search.trial import trial_from

ACCUMULATING = ["sequential", "mse", "hawq_v2"]
WITHOUT_OPTUNA = [name for name in STRATEGIES if name not in ("bayesian", "tpe")]
DAMAGE = {"m000": 4.0, "m001": 1.0, "m002": 3.0, "m003": 2.0}


def informed(modules: list[str], damage: dict[str, float] | None = None, **inputs: Any) -> SearchSpace:
    """A space whose sensitivities are the damage itself."""
    damage = damage or dict.fromkeys(modules, 1.0)
    sensitivities: dict[str, Any] = dict.fromkeys(("activation_errors", "hessian_sensitivities"), lambda: damage)
    logits = {"logits_damage": lambda recipe: sum(damage[name] for name in recipe.quantized)}
    return space(modules, **(sensitivities | logits | inputs))


def proposed(name: str, searched: SearchSpace, judge: Judge) -> list[str]:
    return fallbacks(list(trials(make_strategy(name), searched, judge)))


def flat(recipe: Recipe) -> float:
    return -1.0


ALONE = ["", "003", "002", "001", "000"]
GREEDY = ["000", "000 002", "000 002 003"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sequential", [*ALONE, *GREEDY, *GREEDY, "000 001 002 003"]),
        ("mse", ["", *GREEDY, *GREEDY]),
        ("hawq_v2", ["", *GREEDY]),
        ("mse_v2", ["", *GREEDY]),
        ("ranked", ["", "000", "000 002"]),
        ("basic", ["", "000", "000 002", "000 002 003", "001", "000 001 002", "000 001 003", "001 002 003"]),
    ],
    ids=["sequential", "mse", "hawq_v2", "mse_v2", "ranked", "basic"],
)
def test_exact_sequence_when_nothing_is_accepted(name: str, expected: list[str]) -> None:
    ranked = sorted(DAMAGE, key=lambda module: -DAMAGE[module])
    searched = informed(ranked, DAMAGE, recipe=space(list(DAMAGE)).recipe)
    assert proposed(name, searched, adds_up(DAMAGE, -1.0)) == expected


def test_sequential_undoes_reversions_that_do_not_help_and_then_undoes_none() -> None:
    def judge(recipe: Recipe) -> float:  # 000 alone helps most; beside it only 002 helps further
        reverted = set(recipe.fallbacks)
        if "m000" in reverted:
            return -5.0 + ("m002" in reverted)
        return -9.0 + 2 * ("m001" in reverted) + ("m002" in reverted)

    alone = ["", "002", "001", "000"]  # -9, -8, -7, -5
    assert proposed("sequential", space(names(3)), judge) == [
        *alone,
        *("000", "000 001", "000 002"),
        *("000", "000 001", "000 001 002"),
    ]


def test_sequential_keeps_the_order_of_reversal_for_modules_that_tie() -> None:
    assert proposed("sequential", space(names(3)), flat)[4:] == [
        *("002", "001", "000"),
        *("002", "001 002", "000 001 002"),
    ]


def test_sequential_follows_a_metric_where_less_is_better() -> None:
    criterion = Criterion(Metric("loss", False), None, 0.5)
    searched = space(names(2), margin=margin(criterion, 1.0))
    losses = {"": 9.0, "m000": 3.0, "m001": 2.0, "m000 m001": 1.0}
    seen = fallbacks(list(trials(make_strategy("sequential"), searched, lambda r: losses[" ".join(r.fallbacks)])))
    assert seen == ["", "001", "000", "001", "001", "000 001"]


def one_reversion_helps_and_a_second_harms(recipe: Recipe) -> float:
    return -1.0 if len(recipe.fallbacks) == 1 else -2.0


@pytest.mark.parametrize("size", [2, 5, 9])
@pytest.mark.parametrize(
    ("name", "worst", "cost"),
    [
        ("sequential", one_reversion_helps_and_a_second_harms, lambda size: 3 * size - 2),
        ("mse", flat, lambda size: 2 * size - 1),
        ("hawq_v2", flat, lambda size: size),
        ("ranked", flat, lambda size: 1 + math.ceil(math.log2(size))),
        ("exhaustive", flat, lambda size: 2**size - 1),
        ("random", flat, lambda size: 2**size - 1),
    ],
    ids=["sequential", "mse", "hawq_v2", "ranked", "exhaustive", "random"],
)
def test_the_worst_case_costs_what_is_stated(name: str, worst: Judge, cost: Callable[[int], int], size: int) -> None:
    distinct = {trial.recipe for trial in trials(make_strategy(name), informed(names(size)), worst)}
    assert len(distinct) == cost(size) == make_strategy(name).expected_trials(size)


def test_a_reversion_whose_trial_failed_is_undone() -> None:
    def judge(recipe: Recipe) -> float:
        return math.nan if "m000" in recipe.fallbacks else len(recipe.fallbacks) - 9.0

    assert proposed("mse", informed(names(3)), judge) == ["", "000", "001", "001 002", "000", "000 001"]


def test_any_trial_is_better_than_one_that_failed() -> None:
    seen = proposed("mse", informed(names(3)), lambda recipe: -1.0 if recipe.fallbacks else math.nan)
    assert seen == ["", "000", "000 001", "000 002", "000", "000 001"]


@pytest.mark.parametrize("name", [name for name in WITHOUT_OPTUNA if name != "sequential"])
@given(size=st.integers(1, 6), data=st.data())
def test_the_float_model_is_not_proposed(name: str, size: int, data: st.DataObject) -> None:
    modules = names(size)
    damage = {module: data.draw(st.floats(0.1, 9.0)) for module in modules}
    searched = informed(modules, damage)
    tolerated = data.draw(st.floats(0.0, 9.0))
    assert all(trial.recipe.quantized for trial in trials(make_strategy(name), searched, adds_up(damage, tolerated)))


@pytest.mark.parametrize("name", [name for name in WITHOUT_OPTUNA if name not in ("random", "exhaustive")])
def test_one_trial_when_everything_can_be_int8(name: str) -> None:
    kinds = dict.fromkeys(names(38), "Linear")
    seen = until_accepted(make_strategy(name), space(names(38), kinds=kinds), needs())
    assert fallbacks(seen) == [""]


@pytest.mark.parametrize("name", ["mse", "hawq_v2", "mse_v2", "basic"])
@pytest.mark.parametrize("size", [38, 74, 150])
@pytest.mark.parametrize("planted", [1, 4])
def test_planted_modules_are_found(name: str, size: int, planted: int) -> None:
    modules = names(size)
    sensitive = modules[5 : 5 + planted]
    damage = {module: 1.0 + (module in sensitive) for module in modules}
    ranked = sorted(modules, key=lambda module: -damage[module])
    searched = informed(ranked, damage, recipe=space(modules).recipe)
    seen = until_accepted(make_strategy(name), searched, needs(*sensitive))
    assert best(seen) == set(sensitive)
    assert len(seen) <= 2 + 2 * planted + (9 if name == "basic" else 0)


@pytest.mark.parametrize("planted", [1, 4])
def test_sequential_finds_them_too_after_trying_every_module(planted: int) -> None:
    modules = names(38)
    seen = until_accepted(make_strategy("sequential"), space(modules), needs(*modules[5 : 5 + planted]))
    assert best(seen) == set(modules[5 : 5 + planted])
    # A single module is found on its own; of several, the first of the accumulation is known already.
    assert len(seen) == (1 + 38 - 5 if planted == 1 else 1 + 38 + planted - 1)


def test_mse_v2_takes_back_what_matters_least_until_the_goal_breaks() -> None:
    # The logits mislead: 000 looks worst and costs the metric nothing, 001 and 002 cost it much.
    searched = informed(names(5), {"m000": 9.0, "m001": 8.0, "m002": 7.0, "m003": 1.0, "m004": 0.5})
    seen = until_accepted(make_strategy("mse_v2"), searched, needs("m001", "m002"))
    assert fallbacks(seen) == ["", "000", "000 001", "000 001 002", "000 002"]
    seen = until_accepted(make_strategy("mse_v2"), searched, needs("m002"))
    assert fallbacks(seen) == ["", "000", "000 001", "000 001 002", "000 002", "002"]


@given(size=st.integers(2, 7), data=st.data())
def test_mse_v2_ends_with_its_best_and_repeats_nothing(size: int, data: st.DataObject) -> None:
    modules = names(size)
    draw = {module: data.draw(st.floats(0.1, 9.0)) for module in modules}
    sensitive = data.draw(st.sets(st.sampled_from(modules), max_size=size - 1))
    seen = list(trials(make_strategy("mse_v2"), informed(modules, draw), needs(*sensitive)))
    assert len({trial.recipe for trial in seen}) == len(seen)
    accepted = [trial for trial in seen if trial.accepted]
    if accepted:
        assert best(seen) == set(accepted[-1].recipe.fallbacks)
        assert seen[-2:].count(accepted[-1]) == 1


ENCODER = [f"layer.{layer}.{part}" for layer in range(2) for part in ("query", "key", "value", "dense")]
KINDS = dict.fromkeys(ENCODER, "Linear") | {"words": "Embedding"}
WEIGHTS = {name: 3 if name.endswith("dense") else 2 for name in ENCODER} | {"words": 5}


def quantized(judge: Judge, modules: list[str] = ENCODER) -> list[set[str]]:
    """The roles in int8 in each proposal of `conservative`."""
    searched = space(modules, kinds=KINDS, weights=WEIGHTS)
    seen = trials(make_strategy("conservative"), searched, judge)
    return [{role(name) for name in trial.recipe.quantized} for trial in seen]


def test_conservative_goes_by_type_the_largest_first() -> None:
    everything = {"query", "key", "value", "dense"}
    assert quantized(needs(), [*ENCODER, "words"]) == [everything, everything | {"words"}]
    assert quantized(needs("words"), ["words", *ENCODER]) == [everything, everything | {"words"}]


def test_conservative_splits_a_type_that_is_refused_by_role_and_keeps_what_holds() -> None:
    assert quantized(needs("layer.1.key"), [*ENCODER, "words"]) == [
        {"query", "key", "value", "dense"},
        {"dense"},
        {"dense", "query"},
        {"dense", "query", "key"},
        {"dense", "query", "value"},
        {"dense", "query", "value", "words"},
    ]


def test_conservative_ends_when_nothing_can_be_int8() -> None:
    searched = space(ENCODER, kinds=KINDS)
    seen = list(trials(make_strategy("conservative"), searched, flat))
    assert len(seen) == 1 + 4
    assert not any(trial.accepted for trial in seen)


def test_types_are_known_by_precision_where_nothing_else_is_said() -> None:
    recipe = Recipe({"a": Precision.INT8_WEIGHT_ONLY, "b": Precision.INT8_DYNAMIC, "c": Precision.INT8_DYNAMIC})
    seen = list(trials(make_strategy("conservative"), SearchSpace(recipe, list), needs()))
    assert [trial.recipe.quantized for trial in seen] == [("b", "c"), ("a", "b", "c")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("encoder.layer.0.attention.self.query", "query"), ("blocks.3.0", "blocks"), ("7", "7"), ("head", "head")],
)
def test_role(name: str, expected: str) -> None:
    assert role(name) == expected


def test_exhaustive_takes_the_fewest_fallbacks_first() -> None:
    expected = ["", "000", "001", "002", "000 001", "000 002", "001 002"]
    assert proposed("exhaustive", space(names(3)), flat) == expected


@given(size=st.integers(1, 7), data=st.data())
def test_exhaustive_finds_a_smallest_answer_by_any_rule(size: int, data: st.DataObject) -> None:
    modules = names(size)
    rules = data.draw(st.lists(st.sets(st.sampled_from(modules), max_size=size - 1), min_size=1, max_size=3))
    seen = until_accepted(
        make_strategy("exhaustive"), space(modules), lambda r: 0.0 if any(x <= set(r.fallbacks) for x in rules) else -1
    )
    assert len(seen[-1].recipe.fallbacks) == min(len(rule) for rule in rules)


@given(size=st.integers(1, 7), seed=st.integers(0, 2**32 - 1))
def test_random_proposes_every_recipe_once(size: int, seed: int) -> None:
    seen = proposed("random", space(names(size), seed=seed), flat)
    assert len(seen) == len(set(seen)) == 2**size - 1


def test_random_follows_the_seed() -> None:
    first, again, other = (proposed("random", space(names(6), seed=s), flat) for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert sorted(first) == sorted(other)


def test_random_is_uniform_over_recipes() -> None:
    firsts = [
        fallbacks([next(trials(make_strategy("random"), space(names(2), seed=s), needs()))])[0] for s in range(900)
    ]
    counts = [firsts.count(recipe) for recipe in ("", "000", "001")]
    assert sum(counts) == 900
    assert all(250 < count < 350 for count in counts)


@pytest.mark.parametrize("name", [name for name in WITHOUT_OPTUNA if name not in ("basic", "conservative", "ranked")])
def test_ten_proposals_for_150_modules_come_without_the_others(name: str) -> None:
    searched = informed(names(150))
    assert len(list(itertools.islice(trials(make_strategy(name), searched, flat), 10))) == 10


@pytest.mark.parametrize("name", WITHOUT_OPTUNA)
def test_nothing_is_computed_before_all_int8_is_refused(name: str) -> None:
    refused: dict[str, Any] = dict.fromkeys(
        ("activation_errors", "hessian_sensitivities", "logits_damage"), lambda *_: pytest.fail("without need")
    )
    recipe = Recipe(dict.fromkeys(names(3), Precision.INT8_DYNAMIC))
    searched = SearchSpace(recipe, lambda: pytest.fail("ranked without need"), **refused)
    assert next(make_strategy(name).proposals(searched)).quantized


@pytest.mark.parametrize(
    ("name", "lacking"),
    [("mse", "activation_errors"), ("mse_v2", "logits_damage"), ("hawq_v2", "hessian_sensitivities")],
)
def test_what_a_strategy_lacks_is_named(name: str, lacking: str) -> None:
    with pytest.raises(QuantizationError, match=f"needs `{lacking}`"):
        list(trials(make_strategy(name), space(names(3)), flat))


@pytest.mark.parametrize(
    ("higher", "value", "expected"),
    [(True, 0.95, 0.05), (True, 0.85, -0.05), (False, 1.05, 0.05), (False, 1.15, -0.05), (True, None, -math.inf)],
)
def test_margin_is_how_much_better_than_asked(higher: bool, value: float | None, expected: float) -> None:
    fields = {"number": 1, "recipe": space(names(1)).recipe, "value": value, "accepted": False, "seconds": 0.0}
    assert margin(Criterion(Metric("m", higher), 0.1), 1.0)(trial_from(fields)) == pytest.approx(expected)
