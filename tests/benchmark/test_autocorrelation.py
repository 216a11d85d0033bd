import numpy as np
import pytest

from nc_trainer.benchmark.autocorrelation import SHORTEST, Dependence, dependence
from nc_trainer.benchmark.statistics import MINIMUM_ROUNDS, compare, compare_unpaired, drift


def correlated(rounds: int, phi: float, generator: np.random.Generator) -> np.ndarray:
    """A stationary AR(1) process of variance 1."""
    values = generator.normal(size=rounds)
    for number in range(1, rounds):
        values[number] = phi * values[number - 1] + np.sqrt(1 - phi**2) * values[number]
    return values


def test_independent_rounds_are_drawn_one_by_one() -> None:
    values = np.random.default_rng(0).normal(size=200)
    assert dependence(values) == Dependence(block=1, effective=200.0)


def test_rounds_that_resemble_their_neighbours_count_less() -> None:
    found = dependence(correlated(2000, 0.8, np.random.default_rng(0)))
    theory = 2000 * (1 - 0.8) / (1 + 0.8)
    assert found.effective == pytest.approx(theory, rel=0.3)
    assert found.block > 10


def test_rounds_that_alternate_do_not_count_more_than_they_are() -> None:
    assert dependence(np.array([1.0, 2.0] * 50)).effective <= 100


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.ones(50), id="constant"),
        pytest.param(np.arange(SHORTEST - 1.0), id="too short to tell"),
    ],
)
def test_where_nothing_can_be_estimated_rounds_are_independent(values: np.ndarray) -> None:
    assert dependence(values) == Dependence(1, float(len(values)))


def test_an_outlier_does_not_hide_the_dependence() -> None:
    values = correlated(400, 0.8, np.random.default_rng(1))
    outlier = values.copy()
    outlier[7] = 1e6
    assert dependence(outlier).effective == pytest.approx(dependence(values).effective, rel=0.2)


@pytest.mark.slow
def test_correlated_noise_is_rarely_claimed_to_be_a_difference() -> None:
    generator = np.random.default_rng(0)
    claims = 0
    for _ in range(60):
        a, b = (np.exp(0.05 * correlated(100, 0.8, generator)) for _ in range(2))
        claims += compare("a", a.tolist(), "b", b.tolist()).verdict != "within noise"
    assert claims <= 12  # a bootstrap of single rounds claims about 27 of 60


def test_a_difference_within_one_long_disturbance_is_not_supported() -> None:
    trend = np.linspace(1.0, 3.0, 40)
    comparison = compare("a", trend.tolist(), "b", [1.0] * 40)
    assert comparison.effective_rounds is not None
    assert comparison.effective_rounds < MINIMUM_ROUNDS
    assert comparison.verdict == "within noise"


def test_unpaired_series_may_have_different_lengths() -> None:
    comparison = compare_unpaired("before", [2.0, 2.2] * 10, "after", [1.0, 1.1] * 20)
    assert (comparison.rounds, comparison.verdict) == (20, "faster")
    assert comparison.ratio == 2.0


def test_unpaired_intervals_do_not_know_what_was_slow_for_both() -> None:
    generator = np.random.default_rng(0)
    common = np.exp(0.3 * generator.normal(size=60))
    paired = compare("a", common.tolist(), "b", (common / 1.02).tolist())
    unpaired = compare_unpaired("a", common.tolist(), "b", (common / 1.02).tolist())
    assert (paired.verdict, unpaired.verdict) == ("faster", "within noise")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param([1.0, 1.01] * 10 + [1.2, 1.21] * 10, 0.2 / 1.005, id="slower"),
        pytest.param([1.2, 1.21] * 10 + [1.0, 1.01] * 10, -0.2 / 1.205, id="faster"),
        pytest.param([1.0, 1.01] * 10 + [1.02, 1.03] * 10, None, id="too little to mention"),
        pytest.param([1.0, 2.0] * 20, None, id="noise"),
        pytest.param([1.0] * 5 + [2.0] * 5, None, id="too few rounds"),
    ],
)
def test_drift_between_the_halves(seconds: list[float], expected: float | None) -> None:
    assert drift(seconds) == (None if expected is None else pytest.approx(expected, abs=1e-3))
