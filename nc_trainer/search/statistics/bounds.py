"""How good or bad an evaluation can still become: a trial may stop as soon as its verdict is certain.

The bounds are exact: both ends are reached by some completion of the evaluation, and none goes beyond. They need no
random order of the rows. Where the labels of the rows to come are known, the bounds are tighter.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nc_trainer.search.criterion import Criterion
from nc_trainer.search.statistics.class_metric import F1, Accuracy, ClassMetric, Ints, Matthews, count_cells

MARGIN = 1e-6
"""A user's `compute_metrics` may round in single precision: so close to the threshold nothing is certain."""


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value that a metric can end with."""

    low: float
    high: float


@dataclass(frozen=True)
class BinaryCounts:
    """A confusion matrix of the rows seen so far, in rows: true and false negatives and positives."""

    tn: int = 0
    fp: int = 0
    fn: int = 0
    tp: int = 0


@dataclass(frozen=True)
class Unseen:
    """Rows to come whose labels are known: how many are positive and negative."""

    positive: int
    negative: int


def metric_bounds(
    metric: ClassMetric, labels: Ints, classes: Ints, unseen: int, unseen_labels: Ints | None = None
) -> Bounds | None:
    """The bounds of a metric in the middle of an evaluation.

    Args:
        metric: see `class_metric.find_class_metric`.
        labels: integers [seen].
        classes: predicted classes [seen].
        unseen: how many rows are still to come.
        unseen_labels: their labels [unseen] in any order, None if unknown. The baseline's evaluation has seen them.

    Returns:
        None for a metric without exact bounds. Matthews correlation of more than two classes is one: it depends on
        how often each class is predicted, it does not grow with every right row, and its extremes have no closed form.

    Raises:
        ValueError: `unseen_labels` are not `unseen` many.
    """
    if unseen_labels is not None and len(unseen_labels) != unseen:
        raise ValueError(f"metric_bounds: {unseen} rows are unseen, but there are {len(unseen_labels)} labels.")
    counts = count_cells(metric, labels, classes)
    if isinstance(metric, Accuracy):
        return accuracy_bounds(int(counts[1]), len(labels), unseen)
    if isinstance(metric, F1):
        return f1_bounds(_binary(counts), _split(unseen, unseen_labels, metric.positive))
    if isinstance(metric, Matthews) and metric.classes == 2:
        return matthews_bounds(_binary(counts), _split(unseen, unseen_labels, 1))
    return None


def accuracy_bounds(right: int, seen: int, unseen: int) -> Bounds:
    """All rows to come are wrong, or all are right. Their labels do not matter."""
    score, total = Accuracy().score, seen + unseen
    ends = [float(score(np.array([total - final, final]))) for final in (right, right + unseen)]
    return Bounds(*ends)


def f1_bounds(seen: BinaryCounts, unseen: int | Unseen) -> Bounds:
    """The bounds of F1 = 2 tp / (2 tp + fp + fn).

    It grows with every tp, and falls with every fp and fn, so that the ends are: all rows to come wrong, all right.
    Unlabelled rows do most for F1 as true positives; those that harm it may be either error.

    Args:
        seen: the rows so far.
        unseen: the rows to come: how many, or how many of each label.
    """
    coming = Unseen(unseen, 0) if isinstance(unseen, int) else unseen
    return _bounds(F1(), seen, np.array([coming.positive]), np.array([coming.negative]))


def matthews_bounds(seen: BinaryCounts, unseen: int | Unseen) -> Bounds:
    """The bounds of the binary Matthews correlation.

    With the labels fixed it grows with every tp and with every tn. For P positives and N negatives among n rows, of
    which s are predicted positive, it is (n tp - P s) / sqrt(P N s (n - s)), and its derivative by tp at a given fp
    has the sign of N s (n - s) - (tp tn - fp fn) (n - 2 s) / 2. That is never negative: where tp tn > fp fn and
    n > 2 s, the product tp tn is at most N s and (n - 2 s) / 2 below n - s; where both are reversed, fp fn is at
    most N (n - s) and (2 s - n) / 2 below s. True negatives follow by symmetry, and the values 0 / 0 = 0 fit in.
    So the ends are: all rows to come wrong, all right. Where their labels are unknown, every split of them is tried.

    Args:
        seen: the rows so far; `positive` is the class 1, which is a mere name for this metric.
        unseen: the rows to come: how many, or how many of each label.
    """
    if isinstance(unseen, int):
        positive = np.arange(unseen + 1)
        return _bounds(Matthews(), seen, positive, unseen - positive)
    return _bounds(Matthews(), seen, np.array([unseen.positive]), np.array([unseen.negative]))


def verdict_is_certain(criterion: Criterion, baseline: float, bounds: Bounds) -> bool | None:
    """Whether the rest of the evaluation can still change the verdict.

    Returns:
        True if the trial will be accepted whatever comes, False if it will be refused, None if that is open.
    """
    worst, best = bounds.low, bounds.high
    if not criterion.metric.higher_is_better:
        worst, best = best, worst
    towards_worse = -MARGIN if criterion.metric.higher_is_better else MARGIN
    if criterion.accepts(worst + towards_worse, baseline):
        return True
    return None if criterion.accepts(best - towards_worse, baseline) else False


def _bounds(metric: ClassMetric, seen: BinaryCounts, positive: NDArray, negative: NDArray) -> Bounds:
    """The extremes over all rows to come wrong and all right, for each of the possible label counts [splits]."""
    tn, fp, fn, tp = (np.full_like(positive, count) for count in (seen.tn, seen.fp, seen.fn, seen.tp))
    wrong = np.stack([tn, fp + negative, fn + positive, tp], axis=-1)
    right = np.stack([tn + negative, fp, fn, tp + positive], axis=-1)
    values = metric.score(np.concatenate([wrong, right]))
    return Bounds(float(values.min()), float(values.max()))


def _binary(counts: NDArray) -> BinaryCounts:
    return BinaryCounts(*(int(count) for count in counts))


def _split(unseen: int, labels: Ints | None, positive: int) -> int | Unseen:
    if labels is None:
        return unseen
    count = int((labels == positive).sum())
    return Unseen(count, unseen - count)
