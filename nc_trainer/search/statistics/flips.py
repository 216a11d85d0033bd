"""What a trial changed, row by row, against the float baseline."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


@dataclass(frozen=True)
class Flips:
    """Rows whose predicted class differs from the baseline's.

    `better` rows were wrong and became right, `worse` rows were right and became wrong; a row that went from one
    wrong class to another is in `changed` only. `p_value` is McNemar's, exact and two-sided: the probability of a
    split at least this uneven if a flip were as likely to help as to hurt, Binomial(better + worse, 1/2); 1 when
    there is nothing to split. All three are None where there is not one label per row.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions or percentages"
    (1947); its use for classifiers: Dietterich, "Approximate statistical tests for comparing supervised
    classification learning algorithms" (1998).
    """

    rows: int
    changed: int
    better: int | None = None
    worse: int | None = None
    p_value: float | None = None


def compare_classes(baseline: NDArray | None, trial: NDArray | None, labels: Any = None) -> Flips | None:
    """Count flips.

    Args:
        baseline: predicted classes [rows, ...] of the float model, see `trial.predicted_classes`.
        trial: the same of the trial.
        labels: integers [rows], or anything else if unknown. A negative label is no label: its row is in neither
            `better` nor `worse`. With a label for each class, [rows, tokens], what has a negative one does not count.

    Returns:
        None if either has no classes or their shapes differ.
    """
    if baseline is None or trial is None or baseline.shape != trial.shape or baseline.ndim == 0:
        return None
    rows = len(baseline)
    differs = (baseline != trial) & _counted(labels, baseline)
    changed = int(differs.reshape(rows, -1).any(axis=1).sum()) if rows else 0
    if not _one_label_per_row(labels, baseline):
        return Flips(rows, changed)
    before, after = baseline == labels, trial == labels
    better, worse = int((after & ~before).sum()), int((before & ~after).sum())
    return Flips(rows, changed, better, worse, mcnemar(better, worse))


def mcnemar(better: int, worse: int) -> float:
    """The exact two-sided p-value of a split into `better` and `worse`; see `Flips`."""
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def logits_error(baseline_predictions: Any, trial_predictions: Any) -> float | None:
    """Mean squared difference of the logits, or of a regression's outputs, over the variance of the baseline's.

    Args:
        baseline_predictions: floats [rows, ...], or a tuple that starts with them, as Trainer returns them.
        trial_predictions: the same of the trial.

    Returns:
        None if either holds no floats, their shapes differ, or the baseline's are all equal. NaN in a trial's
        logits gives NaN.
    """
    before, after = _logits(baseline_predictions), _logits(trial_predictions)
    if before is None or after is None or before.shape != after.shape or before.size == 0:
        return None
    error, variance = float(np.square(after - before).mean()), float(before.var())
    return error / variance if variance > 0 else None


def _counted(labels: Any, classes: NDArray) -> NDArray[np.bool_]:
    """Where a class is asked for: at every token but those labelled -100, such as padding."""
    if classes.ndim == 1 or not isinstance(labels, np.ndarray) or labels.shape != classes.shape:
        return np.ones(classes.shape, dtype=bool)
    return labels >= 0


def _one_label_per_row(labels: Any, classes: NDArray) -> bool:
    is_integer = isinstance(labels, np.ndarray) and np.issubdtype(labels.dtype, np.integer)
    return is_integer and labels.ndim == 1 and labels.shape == classes.shape


def _logits(predictions: Any) -> NDArray[np.float64] | None:
    first = predictions[0] if isinstance(predictions, (tuple, list)) and predictions else predictions
    if not isinstance(first, np.ndarray) or not np.issubdtype(first.dtype, np.floating):
        return None
    return first.astype(np.float64)
