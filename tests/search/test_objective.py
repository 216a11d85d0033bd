"""How accepted trials are ordered, on made-up numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer import QuantizationError, Recipe
from nc_trainer.search import CompleteTrial
from nc_trainer.search.objectives.objective import Goal, Objective, Reading

TRIAL = CompleteTrial(3, Recipe({}), 0.9, True, 1.0)


def objective(name: str, value: float = 0.0, error: float = 0.0, higher_is_better: bool = False) -> Objective:
    return Objective(name, lambda trial: Reading(value, error), higher_is_better)


def test_measuring_gives_each_objective_by_name_and_its_error_where_it_has_one() -> None:
    goal = Goal((objective("a", 2.0), objective("b", 3.0, error=0.5)), (1.0, 1.0))
    assert goal.measure(TRIAL) == {"a": 2.0, "b": 3.0, "b_error": 0.5}
    assert goal.names == {"a", "b"}
    assert goal.name == "a and b"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_a_number_is_refused(value: float) -> None:
    with pytest.raises(QuantizationError, match="objective `a` of trial 3"):
        Goal((objective("a", value),), (1.0,)).measure(TRIAL)


def test_a_gain_is_a_share_of_the_float_models_value() -> None:
    lower = Goal((objective("size"),), (1.0,))
    assert lower.score({"size": 25.0}, {"size": 100.0}) == 0.75
    higher = Goal((objective("accuracy", higher_is_better=True),), (1.0,))
    assert higher.score({"accuracy": -0.5}, {"accuracy": -1.0}) == 0.5


def test_against_a_float_value_of_zero_the_difference_counts() -> None:
    assert Goal((objective("mse"),), (1.0,)).score({"mse": 0.25}, {"mse": 0.0}) == -0.25


def test_weights_weigh_gains() -> None:
    goal = Goal((objective("time"), objective("accuracy", higher_is_better=True)), (3.0, 1.0))
    assert goal.score({"time": 0.5, "accuracy": 0.8}, {"time": 1.0, "accuracy": 1.0}) == pytest.approx(
        (3 * 0.5 + 1 * -0.2) / 4
    )


@pytest.mark.parametrize(
    ("other", "best"),
    [
        ({"time": 0.6}, [0]),
        ({"time": 0.6, "time_error": 0.08}, [0]),
        ({"time": 0.6, "time_error": 0.1}, [0, 1]),
        ({"time": 0.5}, [0, 1]),
    ],
    ids=["worse", "worse-beyond-the-errors", "within-the-errors", "equal"],
)
def test_what_the_best_beats_by_no_more_than_the_errors_of_both_is_as_good(
    other: dict[str, float], best: list[int]
) -> None:
    goal = Goal((objective("time"),), (1.0,))
    exact = {"time": 0.5} if "time_error" not in other else {"time": 0.5, "time_error": 0.01}
    assert goal.best([exact, other], {"time": 1.0}) == best


@given(values=st.lists(st.floats(0.1, 10), min_size=2, max_size=5), base=st.floats(0.1, 10))
def test_one_objective_orders_as_its_values_do(values: list[float], base: float) -> None:
    goal = Goal((objective("time"),), (2.0,))
    scores = [goal.score({"time": value}, {"time": base}) for value in values]
    assert values[scores.index(max(scores))] == pytest.approx(min(values))
