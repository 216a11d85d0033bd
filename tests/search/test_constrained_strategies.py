"""Every strategy keeps what is fixed, on problems whose answer is known."""

from importlib.util import find_spec

import pytest
from helpers.planted import fallbacks, names, needs, space, until_accepted

from nc_trainer import Recipe
from nc_trainer.search import STRATEGIES, make_strategy
from nc_trainer.search.strategies.constrained import Constrained

MODULES = names(6)


def inputs() -> dict[str, object]:
    return {
        "activation_errors": lambda: dict.fromkeys(MODULES, 1.0),
        "hessian_sensitivities": lambda: dict.fromkeys(MODULES, 1.0),
        "logits_damage": lambda recipe: float(len(recipe.quantized)),
    }


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_no_strategy_changes_a_fixed_module(name: str) -> None:
    if name in ("bayesian", "tpe") and find_spec("optuna") is None:
        pytest.skip("needs the extra `optuna`")
    whole = space(MODULES).recipe.with_fallbacks(["m005"])
    free = ["m000", "m001", "m002"]
    seen = until_accepted(
        Constrained(make_strategy(name), free), space(MODULES, recipe=whole, **inputs()), needs("m001")
    )
    assert seen[-1].accepted
    for trial in seen:
        assert set(trial.recipe.modules) == set(MODULES)
        assert "m005" in trial.recipe.fallbacks
        assert {"m003", "m004"} <= set(trial.recipe.quantized)
    assert "m001" in seen[-1].recipe.fallbacks


def test_without_a_free_module_there_is_one_recipe() -> None:
    whole = space(MODULES).recipe.with_fallbacks(["m005"])
    seen = until_accepted(Constrained(make_strategy("basic"), []), space(MODULES, recipe=whole), needs("m001"))
    assert fallbacks(seen) == ["005"]


def test_all_free_modules_in_float_is_tried_when_nothing_less_will_do() -> None:
    seen = until_accepted(Constrained(make_strategy("basic"), ["m000", "m001"]), space(MODULES), needs("m000", "m001"))
    assert seen[-1].accepted
    assert fallbacks(seen)[-1] == "000 001"


def test_the_float_model_is_not_proposed_as_the_last_resort() -> None:
    whole = space(MODULES).recipe.only(["m000", "m001"])
    seen = until_accepted(
        Constrained(make_strategy("basic"), ["m000", "m001"]), space(MODULES, recipe=whole), needs(*MODULES)
    )
    assert all(trial.recipe.quantized for trial in seen)


def test_the_progress_line_counts_the_free_modules() -> None:
    strategy = Constrained(make_strategy("exhaustive"), ["m000", "m001"])
    assert strategy.expected_trials(len(MODULES)) == 3
    assert Constrained(make_strategy("exhaustive"), []).expected_trials(6) == 1


def test_the_float_dtype_is_kept() -> None:
    recipe = Recipe(space(MODULES).recipe.modules)
    seen = until_accepted(Constrained(make_strategy("basic"), ["m000"]), space(MODULES, recipe=recipe), needs())
    assert seen[0].recipe == recipe
