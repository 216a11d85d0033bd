"""What became of each label: a metric over all rows hides a class that is rarely right any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-9


@dataclass(frozen=True)
class LabelRecall:
    """How many rows of a label are predicted right, as a share of its `rows`, by the float model and after it."""

    label: int
    rows: int
    before: float
    after: float

    @property
    def fall(self) -> float:
        """What was lost, as a share of the rows; negative for a gain."""
        return self.before - self.after

    def within(self, tolerance: float) -> bool:
        """Whether no more than `tolerance` was lost; differences below 1e-9 are rounding."""
        return self.fall <= tolerance + ROUNDING


def label_recalls(before: NDArray | None, after: NDArray | None, labels: Any) -> tuple[LabelRecall, ...] | None:
    """The recall of every label that occurs, in the order of their ids.

    Args:
        before: predicted classes of the float model, [rows] or, with one class per token, [rows, tokens].
        after: the same of the int8 model.
        labels: integers of the same shape; a negative one is no label.

    Returns:
        None where the three do not have one shape, or labels are no integers.
    """
    if before is None or after is None or not isinstance(labels, np.ndarray):
        return None
    if not np.issubdtype(labels.dtype, np.integer) or not before.shape == after.shape == labels.shape:
        return None
    return tuple(_recall(before, after, labels, int(label)) for label in np.unique(labels[labels >= 0]))


def set_recalls(before: NDArray | None, after: NDArray | None, labels: NDArray) -> tuple[LabelRecall, ...] | None:
    """The recall of every label that occurs, where each row has a set of them.

    Args:
        before: 1 where the float model predicts a label, else 0, [rows, labels].
        after: the same of the int8 model.
        labels: the same of the truth.

    Returns:
        None where the three do not have one shape.
    """
    if before is None or after is None or not before.shape == after.shape == labels.shape:
        return None
    found = []
    for label in np.flatnonzero(labels.any(axis=0)):
        rows = labels[:, label] == 1
        shares = (float((sets[rows, label] == 1).mean()) for sets in (before, after))
        found.append(LabelRecall(int(label), int(rows.sum()), *shares))
    return tuple(found)


def beyond(recalls: Sequence[LabelRecall], tolerance: float) -> tuple[LabelRecall, ...]:
    """Those that lost more than `tolerance`."""
    return tuple(recall for recall in recalls if not recall.within(tolerance))


def _recall(before: NDArray, after: NDArray, labels: NDArray, label: int) -> LabelRecall:
    rows = labels == label
    return LabelRecall(
        label, int(rows.sum()), *(float((classes[rows] == label).mean()) for classes in (before, after))
    )
