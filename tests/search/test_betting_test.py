"""The sequential test: its error rate, its certain stops, and that it does stop early."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nc_trainer import QuantizationError
from nc_trainer.search import Criterion, Metric
from nc_trainer.search.statistics.betting_test import AccuracyLossTest, Wealth, shuffled, tolerated_rows

ALPHA = 0.1


def population(rows: int, right: int, worse: int, better: int) -> tuple[np.ndarray, np.ndarray]:
    """Which rows the baseline and the trial have right."""
    baseline = np.arange(rows) < right
    trial = baseline.copy()
    trial[:worse] = False
    trial[right : right + better] = True
    return baseline, trial


def judge(baseline: np.ndarray, trial: np.ndarray, tolerated: int, order: np.ndarray) -> AccuracyLossTest:
    test = AccuracyLossTest(baseline[order], tolerated, ALPHA)
    test.update(trial[order])
    return test


@pytest.mark.parametrize(
    ("worse", "better"),
    [(3, 0), (4, 0), (13, 10), (14, 10), (8, 0), (0, 0)],
    ids=["last-accepted", "first-refused", "accepted-noisy", "refused-noisy", "refused", "identical"],
)
def test_the_error_rate_is_at_most_alpha(worse: int, better: int) -> None:
    """With 3 rows tolerated of 200, in 300 orders."""
    baseline, trial = population(200, 160, worse, better)
    truth = worse - better <= 3
    verdicts = [judge(baseline, trial, 3, shuffled(200, seed)).verdict for seed in range(300)]
    assert None not in verdicts
    assert sum(verdict is not truth for verdict in verdicts) / 300 <= ALPHA


def test_the_bound_on_the_error_rate_is_used() -> None:
    """A test that never errs would not stop early: at the boundary some verdicts are wrong."""
    baseline, trial = population(200, 160, 4, 0)
    verdicts = [judge(baseline, trial, 3, shuffled(200, seed)).verdict for seed in range(300)]
    assert any(verdicts)


@pytest.mark.parametrize("numbers", [(1, 0, 0, -1, 0), (1, 1, 0, 0, 0), (-1, -1, 0, 1, 0), (1, 1, 1, 1, 1)], ids=str)
def test_the_capital_is_a_martingale_if_the_claim_just_holds(numbers: tuple[int, ...]) -> None:
    orders = list(permutations(numbers))
    capital = np.exp([Wealth(5, sum(numbers)).bet(np.array(order)) for order in orders])
    assert capital.mean(axis=0) == pytest.approx(np.ones(5), abs=1e-12)


def test_the_capital_shrinks_on_average_if_the_claim_holds_by_far() -> None:
    orders = list(permutations((1, 0, 0, -1, 0)))
    capital = np.exp([Wealth(5, 2).bet(np.array(order)) for order in orders])
    assert (capital.mean(axis=0) < 1).all()


def test_the_capital_is_infinite_once_the_claim_is_impossible() -> None:
    log_capital = Wealth(4, -2).bet(np.array([0, 0, 1, -1]))
    assert np.isfinite(log_capital).tolist() == [True, True, False, False]


@pytest.mark.parametrize("cut", [0, 1, 4, 9, 10])
def test_a_bettor_keeps_its_capital_and_its_place(cut: int) -> None:
    numbers = np.array([1, 0, -1, 0, 0, 1, 1, 0, -1, 0])
    in_two = Wealth(20, 1)
    parts = np.concatenate([in_two.bet(numbers[:cut]), in_two.bet(numbers[cut:])])
    assert parts == pytest.approx(Wealth(20, 1).bet(numbers), abs=1e-12)


@pytest.mark.parametrize(
    ("trial", "verdict", "claim", "sign"),
    [(population(300, 250, 0, 0)[1], True, -4, -1), (population(300, 250, 60, 0)[1], False, 3, 1)],
    ids=["accepted-against-a-loss-of-4-or-more", "refused-against-a-loss-of-3-or-less"],
)
def test_the_bettor_who_gets_rich_decides(trial: np.ndarray, verdict: bool, claim: int, sign: int) -> None:
    baseline, order = population(300, 250, 0, 0)[0], shuffled(300, 1)
    test = judge(baseline, trial, 3, order)
    losses = baseline[order].astype(int) - trial[order]
    rich = Wealth(300, claim).bet(sign * losses) >= np.log(1 / ALPHA)
    assert test.verdict is verdict
    assert test.seen == rich.argmax() + 1 < 300


@settings(deadline=None)
@given(
    flips=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=5),
    tolerated=st.integers(0, 5),
)
def test_batches_do_not_matter(flips: list[tuple[bool, bool]], cuts: list[int], tolerated: int) -> None:
    baseline, trial = np.array(flips).T
    at_once = AccuracyLossTest(baseline, tolerated, ALPHA)
    at_once.update(trial)
    in_batches = AccuracyLossTest(baseline, tolerated, ALPHA)
    for batch in np.split(trial, sorted(min(cut, len(trial)) for cut in cuts)):
        in_batches.update(batch)
    assert (in_batches.verdict, in_batches.seen) == (at_once.verdict, at_once.seen)


@settings(deadline=None)
@given(flips=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40), tolerated=st.integers(0, 5))
def test_with_hardly_any_error_allowed_the_verdict_is_that_of_the_full_evaluation(
    flips: list[tuple[bool, bool]], tolerated: int
) -> None:
    baseline, trial = np.array(flips).T
    test = AccuracyLossTest(baseline, tolerated, alpha=1e-30)
    assert test.update(trial) is bool(baseline.sum() - trial.sum() <= tolerated)


def test_an_identical_trial_is_accepted_early() -> None:
    baseline, trial = population(2000, 1800, 0, 0)
    test = judge(baseline, trial, 20, shuffled(2000, 0))
    assert test.verdict is True
    assert test.seen < 700


def test_a_broken_trial_is_refused_early() -> None:
    baseline, trial = population(2000, 1800, 600, 0)
    test = judge(baseline, trial, 20, shuffled(2000, 0))
    assert test.verdict is False
    assert test.seen < 60


def test_a_decision_stays() -> None:
    baseline = np.ones(10, bool)
    test = AccuracyLossTest(baseline, 0, ALPHA)
    assert test.update(np.array([False])) is False
    assert test.update(np.ones(9, bool)) is False
    assert test.seen == 1


def test_rows_beyond_the_baseline_are_refused() -> None:
    with pytest.raises(ValueError, match="row 3 of 2 rows"):
        AccuracyLossTest(np.ones(2, bool), 1).update(np.ones(3, bool))


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_an_error_rate_is_a_probability(alpha: float) -> None:
    with pytest.raises(QuantizationError, match=r"must be in \(0, 1\)"):
        AccuracyLossTest(np.ones(2, bool), 1, alpha)


@settings(deadline=None)
@given(
    rows=st.integers(1, 500), data=st.data(), relative=st.booleans(), tolerance=st.sampled_from([0, 0.01, 0.05, 0.1])
)
def test_tolerated_rows_agree_with_the_criterion(
    rows: int, data: st.DataObject, relative: bool, tolerance: float
) -> None:
    metric = Metric("accuracy", True)
    criterion = Criterion(metric, tolerance) if relative else Criterion(metric, None, tolerance)
    right = data.draw(st.integers(0, rows))
    tolerated = tolerated_rows(criterion, right / rows, rows)
    accepted = [criterion.accepts((right - lost) / rows, right / rows) for lost in range(right + 1)]
    assert accepted == [lost <= tolerated for lost in range(right + 1)]


def test_the_order_is_a_permutation_and_repeatable() -> None:
    assert sorted(shuffled(50, 3)) == list(range(50))
    assert (shuffled(50, 3) == shuffled(50, 3)).all()
    assert (shuffled(50, 3) != shuffled(50, 4)).any()
