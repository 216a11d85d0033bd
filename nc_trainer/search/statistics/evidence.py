"""What can be computed about a verdict from the rows that it rests on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nc_trainer.search.criterion import Criterion
from nc_trainer.search.statistics.class_metric import (
    F1,
    Accuracy,
    ClassMetric,
    Ints,
    Matthews,
    count_cells,
    find_class_metric,
    moved,
)
from nc_trainer.search.statistics.selection import standard_error


@dataclass(frozen=True)
class JudgedRows:
    """The evaluation rows as a search has seen them.

    Args:
        labels: integers [rows].
        baseline: the float model's predicted classes [rows].
        trials: the predicted classes [rows] of each trial that was evaluated in full.
        chosen: the index in `trials` of the one that won, None if none did.
        preference: one number for each of `trials`, see `selection.corrected_estimate`.
        positive: the class F1 counts as positive; None finds out.
        stopped: how many trials more were stopped early.
    """

    labels: Ints
    baseline: Ints
    trials: Sequence[Ints] = ()
    chosen: int | None = None
    preference: Sequence[float] | None = None
    positive: int | None = None
    stopped: int = 0

    def is_usable(self) -> bool:
        """Whether there is one integer, and no negative one, for each row."""
        arrays = (self.labels, self.baseline, *self.trials)
        return all(_are_ids(ids) and len(ids) == len(self.labels) for ids in arrays)


@dataclass(frozen=True)
class Evidence:
    """A criterion, the baseline it is applied to, and what is known beyond.

    `formula` computes the metric from `judged`; without `judged` it is at most the accuracy. `noise` is the standard
    error of the baseline's metric, in the metric's units. What is not known is None.
    """

    criterion: Criterion
    baseline: float
    rows: int | None = None
    judged: JudgedRows | None = None
    formula: ClassMetric | None = None
    noise: float | None = None

    @property
    def name(self) -> str:
        """The metric's."""
        return self.criterion.metric.name

    @property
    def tolerated(self) -> float:
        """The largest loss that is accepted, in the metric's units."""
        return self.criterion.tolerated(self.baseline)


def gather(criterion: Criterion, baseline: float, judged: JudgedRows | None, rows: int | None) -> Evidence:
    """See `verdict.warnings_for`."""
    if judged is None or not judged.is_usable():
        is_accuracy = criterion.metric.name in ("accuracy", "acc") and 0 <= baseline <= 1 and bool(rows)
        noise = _binomial(baseline, rows) if rows and is_accuracy else None
        return Evidence(criterion, baseline, rows, None, Accuracy() if is_accuracy else None, noise)
    classes = 1 + max(int(ids.max()) for ids in (judged.labels, judged.baseline, *judged.trials))
    formula = find_class_metric(
        criterion.metric.name, baseline, judged.labels, judged.baseline, classes, judged.positive
    )
    return Evidence(criterion, baseline, len(judged.labels), judged, formula, _noise(baseline, judged, formula))


def constant_answer(evidence: Evidence) -> tuple[float, str] | None:
    """The metric of the best constant predictor, and what that predicts.

    For accuracy it answers the largest class, for F1 always the positive one: 2 share / (1 + share). Matthews
    correlation is 0 for any. For other metrics only a baseline that is constant itself is recognised.
    """
    judged, formula = evidence.judged, evidence.formula
    if judged is None:
        return None
    if isinstance(formula, Matthews):
        return 0.0, "any class for every row"
    if isinstance(formula, (Accuracy, F1)):
        counts = np.bincount(judged.labels, minlength=2)
        answer = formula.positive if isinstance(formula, F1) else int(counts.argmax())
        value = formula.score(count_cells(formula, judged.labels, np.full_like(judged.labels, answer)))
        return float(value), f"class {answer} for every row, as {counts[answer]} of {len(judged.labels)} are labelled,"
    if (judged.baseline == judged.baseline[0]).all():
        return evidence.baseline, f"class {judged.baseline[0]} for every row, which is what it predicts,"
    return None


def least_loss(evidence: Evidence) -> float | None:
    """What the metric loses at least when one row that the baseline has right turns wrong; None if unknown."""
    judged, formula = evidence.judged, evidence.formula
    if formula is None:
        return None
    if judged is None:
        return 1 / evidence.rows if evidence.rows else None
    counts = count_cells(formula, judged.labels, judged.baseline)
    turned = (moved(counts, before, after) for before, after in formula.errors() if counts[before])
    return min((float(formula.score(counts) - formula.score(changed)) for changed in turned), default=None)


def _noise(baseline: float, judged: JudgedRows, formula: ClassMetric | None) -> float | None:
    if formula is None:
        return None
    if isinstance(formula, Accuracy):
        return _binomial(baseline, len(judged.labels))
    return standard_error(formula, judged.labels, judged.baseline)


def _binomial(share: float, rows: int) -> float:
    return math.sqrt(share * (1 - share) / rows)


def _are_ids(ids: object) -> bool:
    is_integer = isinstance(ids, np.ndarray) and np.issubdtype(ids.dtype, np.integer) and ids.ndim == 1
    return is_integer and ids.size > 0 and ids.min() >= 0  # type: ignore[attr-defined]
