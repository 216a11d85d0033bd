"""Metrics of a classification as functions of counts: what bounds and bootstraps are computed from.

A user's `compute_metrics` is a black box. Where the number that it returns is reproduced by one of these formulas,
the formula stands in for it; where it is not, nothing is claimed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Floats = NDArray[np.float64]
SAME = 1e-6
"""Values this close are the same value, computed in another order or in single precision."""


class ClassMetric(Protocol):
    """A metric that depends on how many rows fall into each of `size` cells, and on nothing else."""

    @property
    def size(self) -> int:
        """The number of cells."""

    def cells(self, labels: Ints, classes: Ints) -> Ints:
        """The cell of each row, from integer arrays that broadcast against each other."""

    def score(self, counts: NDArray) -> Floats:
        """The metric from counts [..., size]."""

    def errors(self) -> Iterator[tuple[int, int]]:
        """Every way in which one right row turns wrong: (cell before, cell after)."""


@dataclass(frozen=True)
class Accuracy:
    """The share of right rows. Cells: wrong, right."""

    size: int = 2

    def cells(self, labels: Ints, classes: Ints) -> Ints:
        """See `ClassMetric`."""
        return (labels == classes).astype(np.int64)

    def score(self, counts: NDArray) -> Floats:
        """right / rows."""
        return _ratio(counts[..., 1], counts.sum(axis=-1))

    def errors(self) -> Iterator[tuple[int, int]]:
        """See `ClassMetric`."""
        yield 1, 0


@dataclass(frozen=True)
class F1:
    """F1 of the class `positive` against all others. Cells: tn, fp, fn, tp."""

    positive: int = 1
    size: int = 4

    def cells(self, labels: Ints, classes: Ints) -> Ints:
        """See `ClassMetric`."""
        return 2 * (labels == self.positive).astype(np.int64) + (classes == self.positive)

    def score(self, counts: NDArray) -> Floats:
        """2 tp / (2 tp + fp + fn), and 0 where that is 0 / 0."""
        doubled = 2 * counts[..., 3]
        return _ratio(doubled, doubled + counts[..., 1] + counts[..., 2])

    def errors(self) -> Iterator[tuple[int, int]]:
        """See `ClassMetric`."""
        yield from ((0, 1), (3, 2))


@dataclass(frozen=True)
class Matthews:
    """Matthews correlation of `classes` classes. Cells: label * classes + class; for two classes tn, fp, fn, tp."""

    classes: int = 2

    @property
    def size(self) -> int:
        """See `ClassMetric`."""
        return self.classes**2

    def cells(self, labels: Ints, classes: Ints) -> Ints:
        """See `ClassMetric`.

        Raises:
            ValueError: an id is not in [0, classes).
        """
        for ids in (labels, classes):
            if ids.size and not 0 <= ids.min() <= ids.max() < self.classes:
                raise ValueError(f"Matthews: class ids must be in [0, {self.classes}), got {ids.min()}..{ids.max()}.")
        return labels.astype(np.int64) * self.classes + classes

    def score(self, counts: NDArray) -> Floats:
        """R_K of Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient" (2004).

        (rows * right - sum_k p_k t_k) / sqrt((rows^2 - sum_k p_k^2) (rows^2 - sum_k t_k^2)) with t_k rows labelled
        and p_k rows predicted k. It is 0 where that is 0 / 0. For two classes this is the Matthews correlation.
        """
        confusion = counts.reshape(*counts.shape[:-1], self.classes, self.classes).astype(np.float64)
        labelled, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
        rows, right = labelled.sum(axis=-1), np.trace(confusion, axis1=-2, axis2=-1)
        spread = (rows**2 - (predicted**2).sum(axis=-1)) * (rows**2 - (labelled**2).sum(axis=-1))
        return _ratio(rows * right - (predicted * labelled).sum(axis=-1), np.sqrt(spread))

    def errors(self) -> Iterator[tuple[int, int]]:
        """See `ClassMetric`."""
        for label in range(self.classes):
            right = label * self.classes + label
            yield from ((right, label * self.classes + other) for other in range(self.classes) if other != label)


def count_cells(metric: ClassMetric, labels: Ints, classes: Ints) -> Ints:
    """How many rows fall into each cell, [size]."""
    return np.bincount(metric.cells(labels, classes), minlength=metric.size)


def moved(counts: Ints, before: int, after: int) -> Ints:
    """The counts with one row in another cell."""
    changed = counts.copy()
    changed[before] -= 1
    changed[after] += 1
    return changed


def score(metric: ClassMetric, labels: Ints, classes: Ints) -> float:
    """The metric of predicted classes [rows] against labels [rows]."""
    return float(metric.score(count_cells(metric, labels, classes)))


def find_class_metric(
    name: str, value: float, labels: Ints, classes: Ints, num_classes: int | None = None, positive: int | None = None
) -> ClassMetric | None:
    """The formula behind a metric of a user's own, recognised by its name and by the value that it gave.

    Args:
        name: the metric's name without prefix: `accuracy`, `acc`, `f1`, `matthews_correlation` or `mcc`.
        value: what `compute_metrics` returned for `labels` and `classes`.
        labels: integers [rows].
        classes: predicted classes [rows].
        num_classes: how many the model has; None takes the largest id seen.
        positive: the class F1 counts as positive; None finds out.

    Returns:
        None if the name or the shapes are others, or if the formula gives another value, as a macro average or a
        percentage would. F1 is None as well if `positive` is not given and more than one way of computing F1 gives
        this value, as for a model that makes no mistake.
    """
    if labels.ndim != 1 or labels.shape != classes.shape or labels.size == 0 or labels.min() < 0:
        return None
    largest = max(int(labels.max()), int(classes.max())) + 1
    if name in ("accuracy", "acc"):
        return _reproducing(Accuracy(), value, labels, classes)
    if name in ("matthews_correlation", "mcc"):
        return _reproducing(Matthews(max(num_classes or largest, 2)), value, labels, classes)
    if name == "f1" and positive is not None:
        return _reproducing(F1(positive), value, labels, classes)
    return _only_f1(value, labels, classes) if name == "f1" and largest <= 2 else None


def _reproducing(metric: ClassMetric, value: float, labels: Ints, classes: Ints) -> ClassMetric | None:
    return metric if abs(score(metric, labels, classes) - value) <= SAME else None


def _only_f1(value: float, labels: Ints, classes: Ints) -> ClassMetric | None:
    """The one binary F1 that gives `value`, None if an average over the classes could give it too."""
    each = [score(F1(positive), labels, classes) for positive in (0, 1)]
    share = float(np.mean(labels == 1))
    macro, weighted, micro = sum(each) / 2, (1 - share) * each[0] + share * each[1], score(Accuracy(), labels, classes)
    candidates = [*each, macro, weighted, micro]
    fitting = [abs(candidate - value) <= SAME for candidate in candidates]
    return F1(fitting.index(True)) if sum(fitting) == 1 and any(fitting[:2]) else None


def _ratio(above: NDArray, below: NDArray) -> Floats:
    """The quotient, 0 where `below` is 0."""
    return np.divide(above, below, out=np.zeros(np.shape(below)), where=np.asarray(below) != 0)
