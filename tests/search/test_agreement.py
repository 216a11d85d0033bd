"""Which trials are believed: two limits on changed predictions, and what a metric is worth in rows."""

import numpy as np
import pytest
from helpers.changed_predictions import LABELS, ROWS, predictions
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from nc_trainer import Precision, Recipe
from nc_trainer.search import CompleteTrial, Criterion, Evaluation, Metric, Reference, Trial
from nc_trainer.search.agreement import Agreement, agreement_of, few, is_cheap
from nc_trainer.search.judge import complete_trial
from nc_trainer.search.statistics.class_metric import F1, score
from nc_trainer.search.statistics.flips import Flips, mcnemar

RECIPE = Recipe({"a": Precision.INT8_DYNAMIC})


def flips(better: int, worse: int, rows: int = ROWS) -> Flips:
    return Flips(rows, better + worse, better, worse, mcnemar(better, worse))


def judged(better: int, worse: int, relative: float = 0.01, least: float = 0.995) -> Trial:
    """A trial of 300 rows, 36 of which the float model has wrong: accuracy 0.88."""
    before = predictions(0, 0, 36)
    value = float((before == LABELS).mean())
    baseline = Evaluation({"accuracy": value}, 0.0, before, LABELS)
    criterion = Criterion(Metric("accuracy", True), relative)
    reference = Reference(criterion, CompleteTrial(0, RECIPE.in_float(), value, True, 0.0), baseline, least)
    after = predictions(better, worse, 36)
    return complete_trial(
        1, RECIPE, Evaluation({"accuracy": float((after == LABELS).mean())}, 0.0, after, LABELS), reference
    )


def test_a_score_that_many_changed_predictions_add_up_to_is_lucky() -> None:
    trial = judged(better=14, worse=15)
    assert (trial.flips, trial.accepted, trial.lucky) == (29, False, True)


def test_the_original_takes_it() -> None:
    trial = judged(better=14, worse=15, least=0.0)
    assert (trial.accepted, trial.lucky) == (True, False)


@pytest.mark.parametrize(("better", "worse", "accepted"), [(2, 4, True), (3, 4, False)], ids=["six", "seven"])
def test_losses_of_the_tolerated_size_explain_six_of_300_changes(better: int, worse: int, accepted: bool) -> None:
    """Binomial(300, 0.0088) is at most six in 95 % of cases."""
    assert binom.cdf(5, ROWS, 0.0088) < 0.95 <= binom.cdf(6, ROWS, 0.0088)
    trial = judged(better, worse)
    assert (trial.accepted, trial.lucky) == (accepted, not accepted)


def test_what_misses_the_criterion_is_refused_and_not_lucky() -> None:
    trial = judged(better=0, worse=3)
    assert (trial.accepted, trial.lucky) == (False, False)


def test_what_cannot_be_told_from_the_float_model_is_accepted_whatever_it_scores() -> None:
    trial = judged(better=0, worse=1, relative=0.0)
    assert (trial.accepted, trial.lucky) == (True, False)
    assert not judged(better=0, worse=1, relative=0.0, least=0.0).accepted
    assert not judged(better=0, worse=2, relative=0.0).accepted


def test_changes_for_the_worse_that_are_no_chance_can_be_told() -> None:
    limits = Agreement(rows=10_000, tolerated=0.0, least=0.995)
    assert limits.alike == 50
    assert limits.cannot_be_told(flips(20, 30, 10_000))
    assert not limits.cannot_be_told(flips(10, 40, 10_000))


def test_without_a_label_for_each_row_nothing_can_be_told() -> None:
    limits = Agreement(rows=1000, tolerated=0.01, least=0.995)
    assert not limits.cannot_be_told(Flips(1000, 0))


@pytest.mark.parametrize("name", ["precision", "f1"])
def test_a_metric_without_a_formula_loses_a_share_of_the_rows(name: str) -> None:
    criterion = Criterion(Metric(name, True), None, 0.02)
    found = agreement_of(criterion, 0.123, LABELS, LABELS, 0.9)
    assert found == Agreement(ROWS, 0.02, 0.9, of_classes=False)


def test_a_loss_that_no_changed_class_explains_is_a_loss() -> None:
    limits = Agreement(ROWS, 0.02, 0.9, of_classes=False)
    assert not limits.accepts(False, flips(0, 0))
    assert limits.accepts(True, flips(0, 0))
    assert limits.most == Agreement(ROWS, 0.02, 1.0).most


def test_a_loss_of_f1_is_counted_in_the_rows_that_cost_least() -> None:
    classes = predictions(0, 0, 36)
    before = score(F1(1), LABELS, classes)
    found = agreement_of(Criterion(Metric("f1", True), 0.01), before, LABELS, classes, 0.995)
    assert found is not None
    wrong = round(found.tolerated * ROWS)
    turned = np.where(
        np.arange(ROWS) < 2 * wrong, 1, classes
    )  # the zeros among them: false positives, which cost less
    assert score(F1(1), LABELS, turned) == pytest.approx(before * 0.99, abs=0.002)


@pytest.mark.parametrize(
    ("criterion", "baseline", "labels", "least"),
    [
        (Criterion(Metric("loss", False), 0.01), 0.3, LABELS, 0.995),
        (Criterion(Metric("spread", True), 0.01), 88.0, LABELS, 0.995),
        (Criterion(Metric("accuracy", True), None, float("inf")), 1.0, LABELS, 0.995),
        (Criterion(Metric("accuracy", True), 0.01), 1.0, LABELS.astype(np.float32), 0.995),
        (Criterion(Metric("accuracy", True), 0.01), 1.0, np.where(LABELS, 1, -100), 0.995),
        (Criterion(Metric("accuracy", True), 0.01), 1.0, LABELS, 0.0),
    ],
    ids=["loss", "no-share", "performance-only", "regression", "rows-without-label", "turned-off"],
)
def test_where_nothing_is_asked_beyond_the_metric(
    criterion: Criterion, baseline: float, labels: np.ndarray, least: float
) -> None:
    assert agreement_of(criterion, baseline, labels, LABELS, least) is None


@given(
    st.integers(1, 2000),
    st.floats(0, 1),
    st.floats(0.01, 0.999),
    st.integers(0, 60),
    st.integers(0, 60),
    st.booleans(),
)
def test_every_verdict(rows: int, tolerated: float, least: float, better: int, worse: int, meets: bool) -> None:
    limits = Agreement(rows, tolerated, least)
    assert 0 <= limits.alike <= limits.most <= rows
    found = limits.accepts(meets, flips(better, worse, rows))
    if better + worse > limits.most:
        assert not found
    elif meets:
        assert found
    assert limits.accepts(True, flips(better, worse, rows)) >= found
    assert limits.accepts(meets, flips(better, worse + 1, rows)) <= found or worse < better


@pytest.mark.parametrize(("modules", "expected"), [(1, 1), (10, 1), (38, 4), (146, 15)])
def test_a_tenth_of_the_modules_is_cheap(modules: int, expected: int) -> None:
    recipe = Recipe(dict.fromkeys(map(str, range(modules)), Precision.INT8_DYNAMIC))
    assert few(recipe) == expected
    assert is_cheap(recipe, recipe.with_fallbacks(map(str, range(expected))))
    if expected < modules:
        assert not is_cheap(recipe, recipe.with_fallbacks(map(str, range(expected + 1))))
