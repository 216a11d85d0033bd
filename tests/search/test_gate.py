"""The verdict of a gate: the metric, every label, and the rows of each slice."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nc_trainer import QuantizationError
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.gate import Verdict, judge
from nc_trainer.search.metric import Metric
from nc_trainer.search.statistics.label_recall import LabelRecall, label_recalls
from nc_trainer.search.trial import Evaluation

LABELS = np.array([0] * 8 + [1] * 2)
RIGHT = LABELS.copy()
RARE_LOST = np.array([0] * 9 + [1])


def evaluation(classes: NDArray, labels: NDArray = LABELS) -> Evaluation:
    return Evaluation({"accuracy": float((classes == labels).mean())}, 1.0, np.eye(2)[classes], labels)


def verdict(classes: NDArray, tolerance: float = 0.2, **changes: Any) -> Verdict:
    criterion = Criterion(Metric("accuracy", True), None, tolerance)
    return judge(criterion, evaluation(RIGHT), evaluation(classes), **changes)


def test_recall_counts_the_rows_of_each_label() -> None:
    assert label_recalls(RIGHT, RARE_LOST, LABELS) == (LabelRecall(0, 8, 1.0, 1.0), LabelRecall(1, 2, 1.0, 0.5))


def test_tokens_without_a_label_do_not_count() -> None:
    before, after = np.array([[0, 1], [1, 1]]), np.array([[0, 0], [1, 0]])
    assert label_recalls(before, after, np.array([[0, -100], [1, 1]])) == (
        LabelRecall(0, 1, 1.0, 1.0),
        LabelRecall(1, 2, 1.0, 0.5),
    )


def test_scores_have_no_labels() -> None:
    assert label_recalls(None, None, np.array([0.5])) is None


def test_within_the_criterion_it_passes() -> None:
    found = verdict(RARE_LOST)
    assert found.passed
    assert (found.before, found.after) == (1.0, 0.9)
    assert found.flips is not None
    assert (found.flips.better, found.flips.worse) == (0, 1)


def test_a_label_that_lost_too_much_fails_although_the_metric_is_within() -> None:
    found = verdict(RARE_LOST, per_label=0.25, label_names={0: "ham", 1: "spam"})
    assert found.failures == ("recall of spam falls from 1.0000 to 0.5000 on 2 rows, more than 0.25",)


def test_exactly_the_tolerance_is_within() -> None:
    assert verdict(RARE_LOST, per_label=0.5).passed


def test_the_metric_fails_on_its_own() -> None:
    assert verdict(RARE_LOST, tolerance=0.05).failures == ("accuracy is 0.9000, below the criterion",)


def test_a_gain_never_fails() -> None:
    criterion = Criterion(Metric("accuracy", True), None, 0.0)
    assert judge(criterion, evaluation(RARE_LOST), evaluation(RIGHT), per_label=0.0).passed


def test_slices_are_the_rows_of_each_value() -> None:
    country = ["no"] * 5 + ["se"] * 5
    first, second = verdict(RARE_LOST, columns={"country": country}).slices
    assert (first.value, first.rows, first.before, first.after, first.flips.changed) == ("no", 5, 1.0, 1.0, 0)
    assert (second.value, second.rows, second.before, second.after, second.flips.worse) == ("se", 5, 1.0, 0.8, 1)


def test_per_label_without_classes_is_an_error() -> None:
    scores = Evaluation({"mse": 0.1}, 1.0, np.array([[0.5]]), np.array([0.4]))
    with pytest.raises(QuantizationError, match="rows with a class each"):
        judge(Criterion(Metric("mse", False)), scores, scores, per_label=0.1)
