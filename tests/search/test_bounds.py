"""Bounds against every way an evaluation can go on, enumerated."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nc_trainer.search import Criterion, Metric
from nc_trainer.search.statistics.bounds import (
    BinaryCounts,
    Bounds,
    Unseen,
    accuracy_bounds,
    f1_bounds,
    matthews_bounds,
    metric_bounds,
    verdict_is_certain,
)
from nc_trainer.search.statistics.class_metric import F1, Accuracy, Matthews, score

HIGHER, LOWER = Metric("accuracy", True), Metric("loss", False)

cells = st.integers(0, 6)
seen_counts = st.builds(BinaryCounts, cells, cells, cells, cells)


def f1(tn: int, fp: int, fn: int, tp: int) -> float:
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0


def matthews(tn: int, fp: int, fn: int, tp: int) -> float:
    product_of_margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / product_of_margins**0.5 if product_of_margins else 0.0


def completions(seen: BinaryCounts, unseen: Unseen) -> Iterator[tuple[int, int, int, int]]:
    """The final tn, fp, fn, tp of every way to predict the rows to come."""
    for positive_right, negative_right in product(range(unseen.positive + 1), range(unseen.negative + 1)):
        yield (
            seen.tn + negative_right,
            seen.fp + unseen.negative - negative_right,
            seen.fn + unseen.positive - positive_right,
            seen.tp + positive_right,
        )


@pytest.mark.parametrize(("bounds", "metric"), [(f1_bounds, f1), (matthews_bounds, matthews)], ids=["f1", "matthews"])
@settings(deadline=None)
@given(seen=seen_counts, positive=st.integers(0, 7), negative=st.integers(0, 7))
def test_known_labels_give_the_exact_extremes(
    bounds: Callable[..., Bounds], metric: Callable[..., float], seen: BinaryCounts, positive: int, negative: int
) -> None:
    unseen = Unseen(positive, negative)
    values = [metric(*counts) for counts in completions(seen, unseen)]
    found = bounds(seen, unseen)
    assert (found.low, found.high) == pytest.approx((min(values), max(values)), abs=1e-12)


@pytest.mark.parametrize(("bounds", "metric"), [(f1_bounds, f1), (matthews_bounds, matthews)], ids=["f1", "matthews"])
@settings(deadline=None)
@given(seen=seen_counts, unseen=st.integers(0, 7))
def test_unknown_labels_give_the_exact_extremes(
    bounds: Callable[..., Bounds], metric: Callable[..., float], seen: BinaryCounts, unseen: int
) -> None:
    splits = [Unseen(positive, unseen - positive) for positive in range(unseen + 1)]
    values = [metric(*counts) for split in splits for counts in completions(seen, split)]
    found = bounds(seen, unseen)
    assert (found.low, found.high) == pytest.approx((min(values), max(values)), abs=1e-12)


@settings(deadline=None)
@given(seen=st.integers(1, 20), unseen=st.integers(0, 20), data=st.data())
def test_accuracy(seen: int, unseen: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, seen))
    assert accuracy_bounds(right, seen, unseen) == Bounds(right / (seen + unseen), (right + unseen) / (seen + unseen))


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6), stop=st.integers(0, 6))
@pytest.mark.parametrize("metric", [Accuracy(), F1(1), F1(0), Matthews()], ids=str)
def test_every_prediction_of_the_rows_to_come(
    metric: Accuracy | F1 | Matthews, rows: list[tuple[bool, bool]], stop: int
) -> None:
    labels, classes = np.array(rows, int).T
    left = labels[stop:]
    rests = product([0, 1], repeat=len(left))
    values = [score(metric, labels, np.concatenate([classes[:stop], np.array(rest, int)])) for rest in rests]
    assert metric_bounds(metric, labels[:stop], classes[:stop], len(left), left) == Bounds(min(values), max(values))


@pytest.mark.parametrize("metric", [Accuracy(), F1(), Matthews()], ids=str)
def test_at_the_end_both_bounds_are_the_metric(metric: Accuracy | F1 | Matthews) -> None:
    labels, classes = np.array([0, 1, 1, 0, 1]), np.array([0, 1, 0, 1, 1])
    value = score(metric, labels, classes)
    assert metric_bounds(metric, labels, classes, 0) == Bounds(value, value)


def test_known_labels_are_tighter() -> None:
    labels, classes = np.array([0, 1, 1]), np.array([0, 0, 0])
    assert metric_bounds(F1(), labels, classes, 3) == Bounds(0.0, 0.75)
    assert metric_bounds(F1(), labels, classes, 3, np.array([0, 0, 0])) == Bounds(0.0, 0.0)


def test_matthews_of_several_classes_has_no_bounds() -> None:
    labels = np.array([0, 1, 2])
    assert metric_bounds(Matthews(3), labels, labels, 2) is None


def test_labels_that_are_not_as_many_as_rows_to_come() -> None:
    with pytest.raises(ValueError, match="5 rows are unseen, but there are 2 labels"):
        metric_bounds(F1(), np.array([0]), np.array([0]), 5, np.array([0, 1]))


@pytest.mark.parametrize(
    ("criterion", "bounds", "expected"),
    [
        (Criterion(HIGHER, 0.1), Bounds(0.73, 0.8), True),
        (Criterion(HIGHER, 0.1), Bounds(0.6, 0.71), False),
        (Criterion(HIGHER, 0.1), Bounds(0.6, 0.8), None),
        (Criterion(HIGHER, 0.1), Bounds(0.72, 0.8), None),
        (Criterion(HIGHER, 0.1), Bounds(0.6, 0.72 - 1e-7), None),
        (Criterion(LOWER, 0.1), Bounds(0.8, 0.87), True),
        (Criterion(LOWER, 0.1), Bounds(0.89, 0.95), False),
        (Criterion(LOWER, 0.1), Bounds(0.8, 0.95), None),
    ],
    ids=[
        "accepted",
        "refused",
        "open",
        "on-the-threshold",
        "just-below-it",
        "lower-accepted",
        "lower-refused",
        "lower-open",
    ],
)
def test_certainty(criterion: Criterion, bounds: Bounds, expected: bool | None) -> None:
    assert verdict_is_certain(criterion, 0.8, bounds) is expected


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=30), tolerance=st.floats(0, 0.5))
def test_a_certain_verdict_is_the_final_one(rows: list[tuple[bool, bool]], tolerance: float) -> None:
    labels, classes = np.array(rows, int).T
    for metric in (Accuracy(), F1(), Matthews()):
        criterion = Criterion(HIGHER, None, tolerance)
        final = criterion.accepts(score(metric, labels, classes), 0.8)
        for stop in range(len(rows) + 1):
            left = labels[stop:]
            bounds = metric_bounds(metric, labels[:stop], classes[:stop], len(left), left)
            assert bounds is not None
            assert verdict_is_certain(criterion, 0.8, bounds) in (None, final)
