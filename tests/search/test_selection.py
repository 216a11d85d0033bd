"""Selecting the luckiest of many trials, and what the corrected estimate makes of it."""

import numpy as np
import pytest

from nc_trainer.search import Criterion, Metric
from nc_trainer.search.statistics.class_metric import F1, Accuracy, score
from nc_trainer.search.statistics.selection import Estimate, corrected_estimate, paired_loss, standard_error

ACCURACY = Criterion(Metric("accuracy", True), 0.01)
ROWS, SHARE = 120, 0.8


def noisy(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Right with a probability of 0.8, row by row."""
    return np.where(random.random(len(labels)) < SHARE, labels, 1 - labels)


def test_the_luck_of_the_best_of_many_is_taken_out() -> None:
    apparent, corrected = [], []
    for seed in range(8):
        random = np.random.default_rng(seed)
        labels = random.integers(2, size=ROWS)
        baseline, *trials = [noisy(labels, random) for _ in range(31)]
        estimate = corrected_estimate(Accuracy(), ACCURACY, labels, baseline, trials, draws=100)
        assert estimate is not None
        apparent.append(max(score(Accuracy(), labels, trial) for trial in trials))
        corrected.append(estimate.metric.value)
    assert np.mean(apparent) > SHARE + 0.06
    assert abs(np.mean(corrected) - SHARE) < 0.03


def test_a_single_trial_has_nothing_to_correct() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(2, size=ROWS)
    baseline, trial = noisy(labels, random), noisy(labels, random)
    estimate = corrected_estimate(Accuracy(), ACCURACY, labels, baseline, [trial])
    assert estimate is not None
    apparent = score(Accuracy(), labels, trial)
    assert estimate.metric.value == pytest.approx(apparent, abs=0.005)
    assert estimate.loss.value == pytest.approx(score(Accuracy(), labels, baseline) - apparent, abs=0.01)
    assert estimate.metric.low < apparent < estimate.metric.high


def test_among_accepted_trials_the_preferred_is_selected() -> None:
    labels = np.arange(200) % 2
    right, nearly, wrong = labels, labels.copy(), 1 - labels
    nearly[0] = 1 - nearly[0]
    trials, loose = [right, nearly, wrong], Criterion(Metric("accuracy", True), 0.5)
    preferring = corrected_estimate(Accuracy(), loose, labels, labels, trials, preference=[1, 2, 3])
    plain = corrected_estimate(Accuracy(), loose, labels, labels, trials)
    assert preferring is not None
    assert preferring.metric.value == pytest.approx(0.995, abs=1e-3)
    assert plain is not None
    assert plain.metric == Estimate(1.0, 1.0, 1.0)


def test_if_none_is_accepted_the_best_is_selected() -> None:
    labels = np.arange(200) % 2
    half = np.where(np.arange(200) < 100, labels, 1 - labels)
    estimate = corrected_estimate(Accuracy(), ACCURACY, labels, labels, [1 - labels, half], preference=[2, 1])
    assert estimate is not None
    assert estimate.metric.value == pytest.approx(0.5, abs=0.01)


def test_nothing_to_select() -> None:
    labels = np.array([0, 1])
    assert corrected_estimate(Accuracy(), ACCURACY, labels, labels, []) is None


def test_a_single_row_is_never_left_out() -> None:
    assert corrected_estimate(Accuracy(), ACCURACY, np.array([1]), np.array([1]), [np.array([1])]) is None


def test_the_same_seed_gives_the_same_estimate() -> None:
    labels = np.arange(40) % 2
    trials = [np.roll(labels, 1), np.where(np.arange(40) < 30, labels, 1 - labels)]
    first, second = (corrected_estimate(F1(), ACCURACY, labels, labels, trials, draws=20, seed=7) for _ in range(2))
    assert first == second


def test_the_bootstrapped_error_of_an_accuracy_is_the_binomial_one() -> None:
    labels = np.ones(408, int)
    classes = (np.arange(408) < 359).astype(int)
    share = 359 / 408
    assert standard_error(Accuracy(), labels, classes) == pytest.approx((share * (1 - share) / 408) ** 0.5, rel=0.1)


def test_the_paired_loss_of_an_accuracy_has_the_paired_interval() -> None:
    labels = np.ones(400, int)
    baseline = (np.arange(400) < 360).astype(int)
    trial = baseline.copy()
    trial[:12], trial[360:368] = 0, 1
    loss = paired_loss(Accuracy(), ACCURACY, labels, baseline, trial)
    half_width = 1.96 * (20 / 400 / 400) ** 0.5
    assert loss.value == pytest.approx(4 / 400)
    assert (loss.low, loss.high) == pytest.approx((0.01 - half_width, 0.01 + half_width), abs=0.004)


def test_no_flips_on_few_rows_are_not_certain_to_stay_none() -> None:
    labels = np.arange(71) % 2
    loss = paired_loss(Accuracy(), ACCURACY, labels, labels, labels)
    assert loss.value == 0.0
    assert loss.low <= -1 / 71
    assert loss.high >= 1 / 71


def test_a_loss_is_positive_for_a_metric_where_lower_is_better_too() -> None:
    labels = np.arange(100) % 2
    lower = Criterion(Metric("error", False), 0.01)
    assert paired_loss(Accuracy(), lower, labels, 1 - labels, labels).value == 1.0
