"""The formulas against scikit-learn, and recognising them behind a user's metric."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from nc_trainer.search.statistics.class_metric import F1, Accuracy, ClassMetric, Matthews, find_class_metric, score

LABELS = np.array([0, 0, 0, 1, 1, 1, 1, 1])
CLASSES = np.array([0, 1, 1, 1, 1, 1, 1, 0])


def pairs(classes: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    ids = st.integers(0, classes - 1)
    return st.lists(st.tuples(ids, ids), min_size=1, max_size=30)


@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")
@settings(deadline=None)
@given(rows=pairs(4))
def test_accuracy_and_matthews_are_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    labels, classes = np.array(rows).T
    assert score(Accuracy(), labels, classes) == pytest.approx(accuracy_score(labels, classes), abs=1e-12)
    assert score(Matthews(4), labels, classes) == pytest.approx(matthews_corrcoef(labels, classes), abs=1e-12)


@settings(deadline=None)
@given(rows=pairs(2), positive=st.sampled_from([0, 1]))
def test_f1_is_that_of_scikit_learn(rows: list[tuple[int, int]], positive: int) -> None:
    labels, classes = np.array(rows).T
    expected = f1_score(labels, classes, labels=[positive], average="micro", zero_division=0)
    assert score(F1(positive), labels, classes) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", [Accuracy(), F1(0), F1(1), Matthews(2), Matthews(3)], ids=str)
def test_errors_are_all_the_ways_from_right_to_wrong(metric: ClassMetric) -> None:
    ids = range(3 if isinstance(metric, Matthews) and metric.classes == 3 else 2)
    turns = {
        (int(metric.cells(np.array(label), np.array(label))), int(metric.cells(np.array(label), np.array(other))))
        for label in ids
        for other in ids
        if other != label
    }
    assert set(metric.errors()) == turns


def test_matthews_refuses_ids_beyond_its_classes() -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 2\), got 0..2"):
        score(Matthews(2), np.array([0, 1]), np.array([0, 2]))


@pytest.mark.parametrize(
    ("name", "value", "options", "expected"),
    [
        ("accuracy", accuracy_score(LABELS, CLASSES), {}, Accuracy()),
        ("acc", accuracy_score(LABELS, CLASSES), {}, Accuracy()),
        ("accuracy", 100 * accuracy_score(LABELS, CLASSES), {}, None),
        ("f1", f1_score(LABELS, CLASSES), {}, F1(1)),
        ("f1", f1_score(LABELS, CLASSES, pos_label=0), {}, F1(0)),
        ("f1", f1_score(LABELS, CLASSES, average="macro"), {}, None),
        ("f1", f1_score(LABELS, CLASSES, average="weighted"), {}, None),
        ("f1", f1_score(LABELS, CLASSES), {"positive": 0}, None),
        ("mcc", matthews_corrcoef(LABELS, CLASSES), {}, Matthews(2)),
        ("matthews_correlation", matthews_corrcoef(LABELS, CLASSES), {"num_classes": 3}, Matthews(3)),
        ("bleu", accuracy_score(LABELS, CLASSES), {}, None),
    ],
    ids=[
        "accuracy",
        "acc",
        "percent",
        "f1",
        "f1-of-the-other-class",
        "macro",
        "weighted",
        "f1-of-another-class-than-said",
        "matthews",
        "matthews-of-three",
        "unknown",
    ],
)
def test_a_users_metric_is_recognised_by_its_value(
    name: str, value: float, options: dict[str, Any], expected: ClassMetric | None
) -> None:
    assert find_class_metric(name, value, LABELS, CLASSES, **options) == expected


def test_a_perfect_f1_does_not_tell_which_class_is_positive() -> None:
    assert find_class_metric("f1", 1.0, LABELS, LABELS) is None
    assert find_class_metric("f1", 1.0, LABELS, LABELS, positive=1) == F1(1)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array([[0, 1]]), np.array([[0, 1]])),
        (np.array([0, 1]), np.array([0])),
        (np.array([0, -100]), np.array([0, 1])),
        (np.array([], int), np.array([], int)),
    ],
    ids=["tokens", "lengths", "unlabelled", "empty"],
)
def test_other_shapes_have_no_formula(labels: np.ndarray, classes: np.ndarray) -> None:
    assert find_class_metric("accuracy", 1.0, labels, classes) is None
