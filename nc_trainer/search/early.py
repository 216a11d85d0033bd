"""Stopping an evaluation before its end: when its verdict is certain, or when the time is up.

Only a refusal is taken early. An accepted trial is evaluated to the end, because its value is what the search reports
and what accepted trials are compared by.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from nc_trainer.search.criterion import Criterion
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.label_kinds import are_label_sets
from nc_trainer.search.statistics.betting_test import AccuracyLossTest, tolerated_rows
from nc_trainer.search.statistics.bounds import Bounds, metric_bounds, verdict_is_certain
from nc_trainer.search.statistics.class_metric import (
    SAME,
    Accuracy,
    ClassMetric,
    Ints,
    Matthews,
    find_class_metric,
    score,
)
from nc_trainer.search.trial import Evaluation


@dataclass(frozen=True)
class EarlyStopping:
    """Whether trials are stopped early, and how surely they must have failed.

    `error_rate` 0 stops where the rows to come cannot change the verdict any more. A larger one lets the sequential
    test decide too: an acceptable trial is then refused with at most that probability, over the random order of the
    rows. The test knows accuracies only.
    """

    enabled: bool = True
    error_rate: float = 0.0


@dataclass(frozen=True)
class KnownRows:
    """The float model's evaluation, and the formula that reproduces its metric.

    Args:
        criterion: what is accepted.
        value: the float model's metric.
        formula: see `class_metric.find_class_metric`.
        labels: integers [rows].
        classes: what the float model predicts, [rows].
        alike: up to so many changed predictions a trial may be accepted whatever its metric.
        most: with more changed predictions a trial is refused whatever its metric.
    """

    criterion: Criterion
    value: float
    formula: ClassMetric
    labels: Ints
    classes: Ints
    alike: int = -1
    most: float = math.inf


def known_rows(
    reference: Reference, judged: Iterable[tuple[float, Ints]], lucky_is_refused: bool = False
) -> KnownRows | None:
    """What bounds can be computed from; None where evaluations have to run to their end.

    That is where rows are not visible while they are evaluated, where no formula gives the float model's metric, or
    where the formula does not give the metric of every trial that was evaluated in full. At least one of these is
    asked for: a metric that was rounded, say, may fit one value by chance.

    Args:
        reference: the float model.
        judged: metric and predicted classes [rows] of the trials evaluated in full.
        lucky_is_refused: whether too many changed predictions refuse a trial that meets the criterion.
    """
    evaluation, classes, labels = reference.evaluation, reference.classes, reference.evaluation.labels
    if not evaluation.visible or classes is None or not isinstance(labels, np.ndarray):
        return None
    if are_label_sets(labels, classes.astype(np.float64)):
        return None
    criterion, value = reference.criterion, reference.value
    formula = find_class_metric(criterion.metric.name, value, labels, classes, _width(evaluation))
    if formula is None:
        return None
    agree = [
        trial.shape == labels.shape and abs(score(formula, labels, trial) - metric) <= SAME for metric, trial in judged
    ]
    if not agree or not all(agree):
        return None
    known = KnownRows(criterion, value, formula, labels, classes)
    limits = reference.agreement
    if limits is None:
        return known
    return replace(known, alike=limits.alike, most=limits.most if lucky_is_refused else math.inf)


class EarlyVerdict:
    """Follows the rows of one trial and says when it is certain to be refused.

    Attributes:
        bounds: what the metric can still become; None before the first rows, and for a metric without bounds.
        classes: predicted classes of the rows so far, [seen].
        refused: whether nothing to come can make the trial acceptable, or the sequential test has decided so.
    """

    def __init__(self, known: KnownRows, error_rate: float = 0.0) -> None:
        self.bounds: Bounds | None = None
        self.classes: Ints = known.classes[:0]
        self.refused = False
        self._known = known
        self._largest = _largest_class(known.formula)
        self._follows = True
        self._test = _sequential_test(known, error_rate)

    def see(self, classes: Ints | None, labels: Ints | None) -> None:
        """Go on with the next rows [n]. If they are not the float model's next rows, nothing is said any more."""
        if classes is None or labels is None or not self._are_next(classes, labels):
            self._follows, self.refused = False, False
        if not self._follows or classes is None:
            return
        self.classes = np.concatenate([self.classes, classes])
        self.bounds = self._bounds()
        certain = self.bounds and verdict_is_certain(self._known.criterion, self._known.value, self.bounds)
        decided = self._test.update(classes == labels) if self._test else None
        changed = int((self.classes != self._known.classes[: len(self.classes)]).sum())
        self.refused = changed > self._known.most or (
            (certain is False or decided is False) and changed > self._known.alike
        )

    @property
    def share(self) -> float:
        """How much of the rows has been seen."""
        return len(self.classes) / len(self._known.labels)

    def _are_next(self, classes: Ints, labels: Ints) -> bool:
        expected = self._known.labels[len(self.classes) :][: len(classes)]
        return np.array_equal(expected, labels) and classes.max(initial=0) <= self._largest

    def _bounds(self) -> Bounds | None:
        labels, seen = self._known.labels, len(self.classes)
        return metric_bounds(self._known.formula, labels[:seen], self.classes, len(labels) - seen, labels[seen:])


class Watch:
    """Told of every batch of an evaluation, says when to stop.

    Args:
        verdict: follows the rows; None evaluates to the end.
        deadline: on the clock of `time.monotonic`.
        on_rows: told how many rows were seen so far.
    """

    def __init__(
        self,
        verdict: EarlyVerdict | None = None,
        deadline: float = math.inf,
        on_rows: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self.verdict = verdict
        self.deadline = deadline
        self.out_of_time = False
        self._on_rows = on_rows
        self._rows = 0

    def see(self, classes: Ints | None, labels: Ints | None) -> None:
        """The next rows [n], or None where a batch does not show its rows."""
        shown = classes if labels is None else labels
        self._rows += 0 if shown is None else len(shown)
        self._on_rows(self._rows)
        if self.verdict is not None:
            self.verdict.see(classes, labels)

    def should_stop(self) -> bool:
        """Asked between batches. At the end of the rows there is nothing left to save."""
        self.out_of_time = time.monotonic() >= self.deadline
        return self.out_of_time or (self.verdict is not None and self.verdict.refused and self.verdict.share < 1)


def _width(evaluation: Evaluation) -> int | None:
    """How many classes the model has, where predictions are logits."""
    predictions = evaluation.predictions
    first = predictions[0] if isinstance(predictions, (tuple, list)) else predictions
    return int(first.shape[-1]) if first.ndim > 1 else None


def _largest_class(formula: ClassMetric) -> float:
    """The largest class that the formula knows."""
    if isinstance(formula, Matthews):
        return formula.classes - 1
    return math.inf if isinstance(formula, Accuracy) else 1


def _sequential_test(known: KnownRows, error_rate: float) -> AccuracyLossTest | None:
    if not error_rate or not isinstance(known.formula, Accuracy) or not known.criterion.metric.higher_is_better:
        return None
    tolerated = tolerated_rows(known.criterion, known.value, len(known.labels))
    return AccuracyLossTest(known.classes == known.labels, tolerated, error_rate)
