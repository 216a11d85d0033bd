"""Finding strategies by name, and registering one's own."""

import pytest

from nc_trainer import ConfigError
from nc_trainer.search import STRATEGIES, SearchSpace, make_strategy
from nc_trainer.search.strategies import Proposals, register_strategy

pytestmark = pytest.mark.usefixtures("strategies_as_they_were")


class Mine:
    finishes_itself = False

    def __init__(self, patience: int = 1) -> None:
        self.patience = patience

    def proposals(self, space: SearchSpace) -> Proposals:
        yield space.recipe

    def expected_trials(self, modules: int) -> int:
        return self.patience


def test_the_known_names() -> None:
    assert sorted(STRATEGIES) == [
        *("basic", "bayesian", "conservative", "exhaustive", "hawq_v2"),
        *("mse", "mse_v2", "random", "ranked", "sequential", "tpe"),
    ]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_says_where_it_comes_from_and_what_it_costs(name: str) -> None:
    text = STRATEGIES[name].__doc__ or ""
    assert "Source:" in text or name == "basic"
    assert "evaluation" in text


def test_a_registered_strategy_is_found_and_stays_a_class() -> None:
    assert register_strategy("mine")(Mine) is Mine
    assert isinstance(make_strategy("mine"), Mine)


def test_options_reach_the_strategy() -> None:
    register_strategy("mine")(Mine)
    assert make_strategy("mine", patience=7).expected_trials(3) == 7


def test_options_that_a_strategy_does_not_take_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"options of `basic`: .*'patience'"):
        make_strategy("basic", patience=7)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown strategy `bsaic`, expected one of \['basic', 'bayesian'"):
        make_strategy("bsaic")


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`basic` exists already \(Basic\)"):
        register_strategy("basic")(Mine)
    assert STRATEGIES["basic"] is not Mine


def test_a_class_that_is_no_strategy_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"lacks \['proposals', 'expected_trials', 'finishes_itself'\]"):
        register_strategy("mine")(dict)  # type: ignore[type-var]
    assert "mine" not in STRATEGIES
