"""The strategies that ask Optuna."""

import itertools
import math
import sys
from types import SimpleNamespace

import pytest
from helpers.planted import adds_up, fallbacks, names, needs, space, trials

from nc_trainer import ConfigError, Recipe
from nc_trainer.search import make_strategy

BOTH = pytest.mark.parametrize("name", ["bayesian", "tpe"])


@BOTH
def test_without_optuna_the_error_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    message = f"`{name}` needs Optuna 5 or later, which is not installed: `pip install 'optuna>=5'`"
    with pytest.raises(ConfigError, match=message):
        make_strategy(name)


@BOTH
def test_an_old_optuna_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(__version__="4.9.0", trial=SimpleNamespace(Trial=object))
    monkeypatch.setitem(sys.modules, "optuna", old)
    with pytest.raises(ConfigError, match=f"`{name}` needs Optuna 5 or later, found 4.9.0"):
        make_strategy(name)


@pytest.fixture
def optuna() -> None:
    """Skips where Optuna is not installed: it is an extra."""
    pytest.importorskip("optuna", minversion="5", reason="optuna is an extra and not installed")


@pytest.mark.usefixtures("optuna")
@BOTH
def test_all_int8_comes_first_and_nothing_comes_twice_until_all_have_been_judged(name: str) -> None:
    seen = fallbacks(list(trials(make_strategy(name), space(names(3), seed=1), needs("m001"))))
    assert seen[0] == ""
    assert sorted(seen) == sorted(["", "000", "001", "002", "000 001", "000 002", "001 002"])


@pytest.mark.usefixtures("optuna")
@BOTH
def test_the_seed_decides(name: str) -> None:
    def first(seed: int) -> list[str]:
        seen = trials(make_strategy(name), space(names(12), seed=seed), needs("m001"))
        return fallbacks(list(itertools.islice(seen, 8)))

    assert first(3) == first(3)
    assert first(3) != first(4)


@pytest.mark.usefixtures("optuna")
@BOTH
def test_trials_that_fail_do_not_end_the_search(name: str) -> None:
    seen = trials(make_strategy(name), space(names(4)), lambda recipe: math.nan)
    assert len({trial.recipe for trial in seen}) == 2**4 - 1


@pytest.mark.usefixtures("optuna")
@pytest.mark.parametrize(("name", "budget"), [("bayesian", 24), ("tpe", 60)])
def test_the_best_recipe_is_found_in_a_part_of_all_trials(name: str, budget: int) -> None:
    modules = names(9)
    judge = adds_up({module: 5.0 if module == "m004" else 0.1 for module in modules}, 1.0)
    seen = itertools.islice(trials(make_strategy(name), space(modules, seed=0), judge), budget)
    assert "004" in fallbacks(list(seen))


@pytest.mark.usefixtures("optuna")
def test_weights_count_and_not_modules() -> None:
    """Either the large module falls back or two small ones: it is the large one that is tried in int8."""

    def judge(recipe: Recipe) -> float:
        return 0.0 if "m002" in recipe.fallbacks or {"m000", "m001"} <= set(recipe.fallbacks) else -1.0

    def large_in_int8(weights: dict[str, int]) -> int:
        seen = trials(make_strategy("bayesian"), space(names(6), weights=weights, seed=1), judge)
        return sum(trial.accepted and "m002" in trial.recipe.quantized for trial in itertools.islice(seen, 18))

    assert large_in_int8({"m002": 100}) > large_in_int8({})


@pytest.mark.usefixtures("optuna")
@BOTH
def test_it_is_quiet_and_leaves_optunas_logging_as_it_was(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    list(itertools.islice(trials(make_strategy(name), space(names(4)), needs("m001")), 12))
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr().err == ""
