"""What is told of the Shapley values of two models. No package but numpy and scipy is needed."""

import json

import numpy as np
import pytest

from nc_trainer.errors import NCTrainerError
from nc_trainer.explain import (
    ExplainedRow,
    Explanations,
    ShapleyComparison,
    ShapleyValues,
    compare_values,
    inc_shapley_mse,
)


def exact(*values: float) -> ShapleyValues:
    return ShapleyValues(np.array([values]), 0.0, sum(values), True)


def sampled(draws: np.ndarray) -> ShapleyValues:
    return ShapleyValues(draws, 0.0, float(draws.mean(axis=0).sum()), False)


def test_equal_values_have_no_error() -> None:
    found = compare_values([exact(1, -2), exact(3, 1)], [exact(1, -2), exact(3, 1)])
    assert (found.mse, found.standard_error, found.low, found.high) == (0, 0, 0, 0)
    assert found.sign_flips == 0
    assert found.rank_correlation == pytest.approx(1)


def test_the_mse_is_the_mean_over_rows_of_the_mean_over_tokens() -> None:
    found = compare_values([exact(1, 1), exact(0, 0, 0)], [exact(2, 1), exact(3, 0, 0)])
    assert found.mse == pytest.approx((1 / 2 + 9 / 3) / 2)
    assert found.standard_error == pytest.approx(np.std([0.5, 3.0], ddof=1) / np.sqrt(2))
    assert found.permutation_error == 0
    assert found.low == 0 < found.mse < found.high
    assert (found.rows, found.players) == (2, 5)


def test_opposite_values_differ_where_the_original_saw_nothing() -> None:
    found = compare_values([exact(1, -2)], [exact(-1, 2)])
    assert found.mse == pytest.approx((4 + 16) / 2)
    assert (found.sign_flips, found.sign_flip_share) == (2, 1.0)
    assert found.rank_correlation == pytest.approx(-1)
    magnitudes = np.array([[1.5, 1.5]])
    assert inc_shapley_mse(magnitudes, magnitudes) == 0


def test_inc_shapley_mse_sums_classes_and_averages_texts() -> None:
    floats, int8s = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[2.0, 4.0], [0.0, 1.0]])
    assert inc_shapley_mse(floats, int8s) == pytest.approx(((1 + 4) + 1) / 2)


def test_what_sampling_adds_to_a_square_is_taken_out() -> None:
    """Over many data sets the mean is the true value, which the plain square of the mean misses by far."""
    random = np.random.default_rng(0)
    truth = np.array([0.1, -0.2, 0.0, 0.3])
    estimates, plain, errors = [], [], []
    for _ in range(600):
        draws = truth + random.normal(size=(5, 4))
        found = compare_values([sampled(np.zeros((5, 4)))] * 2, [sampled(draws), sampled(draws)])
        pairs = draws @ draws.T / 4
        estimates.append((pairs.sum() - np.trace(pairs)) / 20)
        plain.append(float(np.square(draws.mean(axis=0)).mean()))
        errors.append(found.permutation_error * np.sqrt(2))
        assert found.mse == pytest.approx(max(estimates[-1], 0.0))
    expected = np.square(truth).mean()
    assert np.mean(estimates) == pytest.approx(expected, abs=0.02)
    assert np.mean(plain) > expected + 0.15
    assert 0.8 < np.mean(np.square(errors)) / np.var(estimates) < 3, "the jackknife is too large rather than too small"


def test_the_interval_covers_the_mean_of_all_rows_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        rows = [exact(*random.normal(size=12)) for _ in range(20)]
        found = compare_values([exact(*[0.0] * 12)] * 20, rows)
        covered.append(found.low <= 1.0 <= found.high)
    assert 0.9 < np.mean(covered) <= 1.0


def test_rows_without_an_order_have_no_rank_correlation() -> None:
    assert compare_values([exact(1.0)], [exact(2.0)]).rank_correlation is None


def explanations() -> Explanations:
    row = ExplainedRow(7, "positive", ("good", "film"), (1.0, 0.5), (0.9, -0.1), 0.0, 0.0, 1.5, 0.8, True)
    comparison = ShapleyComparison(0.18, 0.05, 0.08, 0.28, 0.0, 1, 2, 1, 0.33, 1.0)
    return Explanations((row,), comparison, 1e-4, 3, 500, 0, "[MASK]", 1000, 2.5, 2, "a note")


def test_explanations_are_read_back_from_json() -> None:
    assert Explanations.from_dict(json.loads(json.dumps(explanations().to_dict()))) == explanations()


@pytest.mark.parametrize(
    "change", [{"format": "other"}, {"version": 2}, {"rows": [{"row": 1}]}, {"comparison": None}, {"surplus": 1}]
)
def test_what_is_not_explanations_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(NCTrainerError, match="xplanations"):
        Explanations.from_dict(explanations().to_dict() | change)


def test_the_summary_names_the_number_its_error_and_its_cost() -> None:
    text = explanations().summary()
    for part in ("Shapley MSE of trial 3: 0.18", "standard error 0.05", "95% 0.08 to 0.28", "1000 forward passes"):
        assert part in text
    assert "Neural Compressor's number: 0.0001" in text
    assert text.endswith("a note")
