"""Shapley values: the axioms, additivity, the budget, the seed. The reference is the definition."""

import sys
from typing import Any

import numpy as np
import pytest
from helpers.shap_package import needs_shap
from helpers.shapley_reference import PlantedGame, bert_game, enumerated
from helpers.tiny import tiny_bert
from hypothesis import given, settings
from hypothesis import strategies as st

from nc_trainer.errors import NCTrainerError
from nc_trainer.explain import check_shap, most_players, shapley_values

WEIGHTS = st.lists(st.floats(-3, 3), min_size=9, max_size=9)


def interacting(weights: list[float]) -> Any:
    """Main effects, a product of three players and a maximum: orders matter."""
    return lambda shown: float(shown @ np.array(weights)) + 2 * shown[0] * shown[1] * shown[2] + max(shown[3:5])


def test_the_reference_is_additive_on_a_model() -> None:
    game = bert_game([3, 1, 4, 1, 5])
    base, output = game(np.array([[0] * 5, [1] * 5]))
    assert base + enumerated(game, 5).sum() == pytest.approx(output, abs=1e-9)


def test_the_reference_splits_what_two_players_earn_together() -> None:
    game = PlantedGame(3, lambda shown: float(shown[0] and shown[1]))
    assert enumerated(game, 3).tolist() == [0.5, 0.5, 0.0]


@needs_shap
@pytest.mark.parametrize("tokens", [1, 2, 5, 8])
def test_short_rows_are_exact(tokens: int) -> None:
    game = bert_game(range(1, tokens + 1))
    found = shapley_values(game, 500, seed=0)
    assert found.exact
    assert game.passes == 2**tokens
    np.testing.assert_allclose(found.values, enumerated(game, tokens), atol=1e-9)


@needs_shap
@pytest.mark.parametrize("max_evals", [60, 100, 500])
def test_sampled_values_are_additive_in_every_draw(max_evals: int) -> None:
    game = bert_game(range(1, 10))
    found = shapley_values(game, max_evals, seed=1)
    assert not found.exact
    assert len(found.draws) == max_evals // 19
    assert game.passes <= max_evals
    np.testing.assert_allclose(found.base + found.draws.sum(axis=1), found.output, atol=1e-9)


@needs_shap
def test_sampled_values_are_within_their_error_of_the_exact_ones() -> None:
    game = PlantedGame(7, interacting([1, -1, 2, 0, 1, 0, 3]))
    found = shapley_values(game, 16 * 7, seed=0)
    standard_error = found.draws.std(axis=0, ddof=1) / np.sqrt(len(found.draws))
    assert not found.exact
    assert (np.abs(found.values - enumerated(game, 7)) <= 4 * standard_error + 1e-9).all()


@needs_shap
@settings(max_examples=10)
@given(weights=WEIGHTS, seed=st.integers(0, 2**32 - 1))
def test_a_player_that_adds_nothing_gets_nothing(weights: list[float], seed: int) -> None:
    game = PlantedGame(9, interacting([*weights[:8], 0.0]))
    assert np.abs(shapley_values(game, 100, seed).draws[:, 8]).max() <= 1e-12


@needs_shap
@settings(max_examples=10)
@given(weights=WEIGHTS)
def test_players_that_add_the_same_get_the_same(weights: list[float]) -> None:
    game = PlantedGame(8, interacting([weights[0]] * 3 + weights[3:8]))
    values = shapley_values(game, 256, seed=0).values
    np.testing.assert_allclose(values[:3], values[0], atol=1e-9)


@needs_shap
def test_a_seed_gives_the_same_values_and_leaves_numpys_generator_alone() -> None:
    game = bert_game(range(1, 12))
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    first, again, other = (shapley_values(game, 100, seed).draws for seed in (5, 5, 6))
    assert np.random.random() == expected
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@needs_shap
def test_two_models_see_the_same_coalitions() -> None:
    one, other = bert_game(range(1, 12)), bert_game(range(1, 12), tiny_bert(num_labels=2))
    for game in (one, other):
        shapley_values(game, 100, seed=5)
    assert one._values.keys() == other._values.keys()


@pytest.mark.parametrize("max_evals", [16, 50, 500, 4000])
def test_the_most_players_can_be_estimated_with_an_error(max_evals: int) -> None:
    players = most_players(max_evals)
    assert max_evals // (2 * players + 1) >= 3 or 2**players <= max_evals


def test_without_shap_there_is_one_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(NCTrainerError, match=r"need the package shap.*pip install 'nc_trainer\[shap\]'"):
        check_shap()
