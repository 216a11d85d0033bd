"""What a trial changed, row by row, against the float baseline.

A row flips if its predicted class differs; with a set of labels, if the set differs; with a number, if that changes by
more than a tolerance; with several numbers, if one of them does, by more than its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from nc_trainer.search.label_kinds import are_label_sets
from nc_trainer.search.trial import first_array, predicted_classes, predicted_numbers


@dataclass(frozen=True)
class Flips:
    """Rows whose answer differs from the baseline's.

    `better` rows were wrong and became right, `worse` rows were right and became wrong; a row that went from one
    wrong class to another is in `changed` only. A set of labels is right if all of it is. Of numbers, those that
    moved towards their label are `better` and those that moved away from it are `worse`; of several numbers, by their
    distance in standard deviations of each.

    `p_value` is McNemar's, exact and two-sided: the probability of a split at least this uneven if a flip were as
    likely to help as to hurt, Binomial(better + worse, 1/2); 1 when there is nothing to split. All three are None
    where there is not one label per row. `tolerance` is that of numbers, None for others.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions or percentages"
    (1947); its use for classifiers: Dietterich, "Approximate statistical tests for comparing supervised
    classification learning algorithms" (1998).
    """

    rows: int
    changed: int
    better: int | None = None
    worse: int | None = None
    p_value: float | None = None
    tolerance: float | tuple[float, ...] | None = None


def compare_answers(before: Any, after: Any, labels: Any = None) -> Flips | None:
    """Count flips in what a Trainer has predicted.

    Args:
        before: predictions of the float model, see `trial.predicted_classes` and `trial.predicted_numbers`.
        after: the same of the trial.
        labels: of the same rows.

    Returns:
        None where rows have neither a class, a set of labels, nor numbers.
    """
    first, classes = first_array(before), (predicted_classes(before, labels), predicted_classes(after, labels))
    if classes[0] is None or classes[1] is None:
        return compare_numbers(predicted_numbers(before, labels), predicted_numbers(after, labels), labels)
    if first is not None and are_label_sets(labels, first):
        return compare_label_sets(classes[0], classes[1], labels)
    return compare_classes(*classes, labels)


def compare_classes(baseline: NDArray | None, trial: NDArray | None, labels: Any = None) -> Flips | None:
    """Count flips of classes.

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
    return _of_right_rows(rows, changed, baseline == labels, trial == labels)


def _of_right_rows(rows: int, changed: int, before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Flips:
    better, worse = int((after & ~before).sum()), int((before & ~after).sum())
    return Flips(rows, changed, better, worse, mcnemar(better, worse))


def compare_label_sets(before: NDArray, after: NDArray, labels: NDArray) -> Flips | None:
    """Count the rows whose set of labels differs; all three are 0 or 1, [rows, labels]. None if shapes differ."""
    if before.shape != after.shape:
        return None
    changed = int((before != after).any(axis=1).sum())
    return _of_right_rows(len(before), changed, (before == labels).all(axis=1), (after == labels).all(axis=1))


def compare_numbers(before: NDArray | None, after: NDArray | None, labels: Any = None) -> Flips | None:
    """Count the rows of a regression that change by more than `number_tolerance`.

    `p_value` is that of a sign test: the same binomial as McNemar's, of rows that moved towards their label and rows
    that moved away from it.

    Args:
        before: floats [rows], or [rows, numbers], of the float model.
        after: the same of the trial.
        labels: numbers of that shape, or anything else if unknown.

    Returns:
        None if either is unknown or they differ in length.
    """
    if before is None or after is None or before.shape != after.shape or not before.size:
        return None
    tolerance = number_tolerance(before)
    flipped = (np.abs(after - before) > tolerance).reshape(len(before), -1).any(axis=1)
    rows, changed = len(before), int(flipped.sum())
    if not isinstance(labels, np.ndarray) or labels.size != before.size:
        return Flips(rows, changed, tolerance=tolerance)
    truth = labels.reshape(before.shape)
    far, near = _distance(before - truth, tolerance), _distance(after - truth, tolerance)
    better, worse = int((flipped & (near < far)).sum()), int((flipped & (near > far)).sum())
    return Flips(rows, changed, better, worse, mcnemar(better, worse), tolerance)


def number_tolerance(before: NDArray) -> float | tuple[float, ...]:
    """By how much a prediction may change and is no flip: a tenth of the standard deviation of the float model's.

    Of [rows, numbers], one for each number.
    """
    if before.ndim == 1:
        return 0.1 * float(before.std(dtype=np.float64))
    return tuple(0.1 * float(deviation) for deviation in before.std(axis=0, dtype=np.float64))


def tolerance_in_words(tolerance: float | tuple[float, ...]) -> str:
    """That of one number, or the least and the largest of several."""
    if isinstance(tolerance, tuple):
        return f"{min(tolerance):.3g} to {max(tolerance):.3g}"
    return f"{tolerance:.3g}"


def changed_order(before: NDArray, after: NDArray) -> float | None:
    """Which share of all pairs of rows stand in another order, from 0 to 1: (1 - Kendall's tau-b) / 2.

    Source: Kendall, "A new measure of rank correlation" (1938); ties are left out as in tau-b.

    Args:
        before: floats [rows].
        after: floats [rows].

    Returns:
        None where either puts all rows at the same place.
    """
    tau = float(scipy.stats.kendalltau(before, after).statistic)
    return None if np.isnan(tau) else (1 - tau) / 2


def _distance(errors: NDArray, tolerance: float | tuple[float, ...]) -> NDArray:
    """Of [rows]: the size; of [rows, numbers]: the root of the summed squares, each number in its own tolerance."""
    if errors.ndim == 1:
        return np.abs(errors)
    units = np.asarray(tolerance)
    return np.linalg.norm(errors / np.where(units > 0, units, 1.0), axis=1)


def mcnemar(better: int, worse: int) -> float:
    """The exact two-sided p-value of a split into `better` and `worse`; see `Flips`."""
    return float(scipy.stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0


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
