"""Whether an int8 model may be released in the place of its float model: one verdict from two evaluations."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nc_trainer.errors import QuantizationError
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.float_reference import NO_CLASSES
from nc_trainer.search.recalls import recalls_between
from nc_trainer.search.statistics.flips import Flips, compare_answers, compare_classes
from nc_trainer.search.statistics.label_recall import LabelRecall, beyond
from nc_trainer.search.trial import Evaluation, predicted_classes


@dataclass(frozen=True)
class Slice:
    """The rows that have one value in a column: how many are predicted right before and after, and which flipped."""

    column: str
    value: str
    rows: int
    before: float | None
    after: float | None
    flips: Flips


@dataclass(frozen=True)
class Verdict:
    """What was found; `failures` is empty if the model may be released.

    Attributes:
        metric: its name.
        before: the float model's value.
        after: the int8 model's value.
        criterion: in words.
        flips: of all rows; None where there are no classes.
        labels: the recall of each label, by name.
        slices: of the columns that were asked for.
        failures: what is outside the criterion, a sentence each.
    """

    metric: str
    before: float
    after: float
    criterion: str
    flips: Flips | None
    labels: Mapping[str, LabelRecall]
    slices: tuple[Slice, ...]
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is within the criterion."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"passed": self.passed} | asdict(self)


def judge(
    criterion: Criterion,
    baseline: Evaluation,
    int8: Evaluation,
    *,
    per_label: float | None = None,
    label_names: Mapping[int, str] | None = None,
    columns: Mapping[str, Sequence[object]] | None = None,
) -> Verdict:
    """Compare two evaluations of the same rows.

    Args:
        criterion: for the metric.
        baseline: of the float model, with predictions and labels.
        int8: of the int8 model.
        per_label: how much of its recall any label may lose, as a share; None judges the metric only.
        label_names: names by label id.
        columns: a value for each row, by column name; the rows of each value are a slice.

    Raises:
        QuantizationError: `per_label` is asked for where rows have no class.
    """
    name = criterion.metric.name
    before, after = float(baseline.metrics[name]), float(int8.metrics[name])
    classes = _classes(baseline, baseline), _classes(int8, baseline)
    recalls = recalls_between(baseline, int8)
    if recalls is None and per_label is not None:
        raise QuantizationError(NO_CLASSES)
    named = {(label_names or {}).get(recall.label, str(recall.label)): recall for recall in recalls or ()}
    failures = [] if criterion.accepts(after, before) else [f"{name} is {after:.4f}, below the criterion"]
    if per_label is not None:
        lost = beyond(tuple(named.values()), per_label)
        failures += [_lost(label, recall, per_label) for label, recall in named.items() if recall in lost]
    return Verdict(
        name,
        before,
        after,
        criterion.describe(before),
        compare_answers(baseline.predictions, int8.predictions, baseline.labels),
        named,
        tuple(_slices(columns or {}, classes, baseline.labels)),
        tuple(failures),
    )


def _classes(evaluation: Evaluation, baseline: Evaluation) -> NDArray | None:
    return predicted_classes(evaluation.predictions, baseline.labels)


def _lost(label: str, recall: LabelRecall, tolerance: float) -> str:
    return (
        f"recall of {label} falls from {recall.before:.4f} to {recall.after:.4f} on {recall.rows} rows, "
        f"more than {tolerance:g}"
    )


def _slices(
    columns: Mapping[str, Sequence[object]], classes: tuple[NDArray | None, NDArray | None], labels: Any
) -> list[Slice]:
    before, after = classes
    if before is None or after is None:
        return []
    found = []
    for column, values in columns.items():
        texts = np.array([str(value) for value in values])
        for value in np.unique(texts):
            rows = texts == value
            flips = compare_classes(before[rows], after[rows], labels[rows])
            if flips is not None:
                right = [_share_right(kind[rows], labels[rows]) for kind in (before, after)]
                found.append(Slice(column, str(value), int(rows.sum()), right[0], right[1], flips))
    return found


def _share_right(classes: NDArray, labels: NDArray) -> float | None:
    known = labels >= 0
    return float((classes == labels)[known].mean()) if classes.shape == labels.shape and known.any() else None
