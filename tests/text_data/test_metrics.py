"""The GLUE metrics, against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import EvalPrediction

from nc_trainer.text_data.glue.glue_metrics import compute_metrics_for

LABELS = np.array([1, 1, 1, 0, 0])
LOGITS = np.eye(2)[[1, 1, 0, 1, 0]]  # true positives 2, false negatives 1, false positives 1, true negatives 1
ACCURACY, F1, F1_OF_NEGATIVES = 3 / 5, 2 / 3, 1 / 2
MATTHEWS = (2 * 1 - 1 * 1) / math.sqrt(3 * 3 * 2 * 2)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        pytest.param("cola", {"matthews_correlation": MATTHEWS}, id="cola"),
        pytest.param("mrpc", {"accuracy": ACCURACY, "f1": F1, "combined_score": (ACCURACY + F1) / 2}, id="mrpc"),
        pytest.param("qqp", {"accuracy": ACCURACY, "f1": F1, "combined_score": (ACCURACY + F1) / 2}, id="qqp"),
        pytest.param("sst2", {"accuracy": ACCURACY}, id="sst2"),
        pytest.param("mnli", {"accuracy": ACCURACY}, id="mnli"),
        pytest.param("qnli", {"accuracy": ACCURACY}, id="qnli"),
        pytest.param("rte", {"accuracy": ACCURACY}, id="rte"),
        pytest.param("wnli", {"accuracy": ACCURACY}, id="wnli"),
        pytest.param(None, {"accuracy": ACCURACY}, id="own data"),
    ],
)
def test_classification(task: str | None, expected: dict[str, float]) -> None:
    assert compute_metrics_for(task, False)(EvalPrediction(LOGITS, LABELS)) == pytest.approx(expected)


def test_similarity_is_judged_by_both_correlations() -> None:
    labels, predictions = np.array([0.0, 1.0, 2.0]), np.array([[0.0], [1.0], [5.0]])
    pearson = 5 / math.sqrt(2 * 14)  # deviations (-1, 0, 1) and (-2, -1, 3): 5 / sqrt(2 * 14)
    expected = {"pearson": pearson, "spearmanr": 1.0, "combined_score": (pearson + 1) / 2}
    assert compute_metrics_for("stsb", True)(EvalPrediction(predictions, labels)) == pytest.approx(expected)


def test_own_regression_is_judged_by_the_mean_squared_error() -> None:
    prediction = EvalPrediction(np.array([[1.0], [3.0]]), np.array([0.0, 5.0]))
    assert compute_metrics_for(None, True)(prediction) == {"mse": 2.5}


def test_the_logits_come_first_when_a_model_returns_more() -> None:
    hidden_states = np.zeros((5, 7, 3))
    prediction = EvalPrediction((LOGITS, hidden_states), LABELS)
    assert compute_metrics_for("sst2", False)(prediction) == {"accuracy": ACCURACY}


def test_f1_counts_the_positive_label_wherever_the_model_has_it() -> None:
    metrics = compute_metrics_for("mrpc", False, positive_id=0)(EvalPrediction(LOGITS, LABELS))
    assert metrics["f1"] == pytest.approx(F1_OF_NEGATIVES)


def test_metrics_are_plain_numbers() -> None:
    metrics = compute_metrics_for("mrpc", False)(EvalPrediction(LOGITS, LABELS))
    assert {type(value) for value in metrics.values()} == {float}


def classification(task: str, labels: list[int], predicted: list[int], classes: int = 2, **options: int) -> dict:
    prediction = EvalPrediction(np.eye(classes)[predicted], np.array(labels))
    return compute_metrics_for(task, False, **options)(prediction)


def similarity(labels: list[float], predicted: list[float]) -> dict[str, float]:
    return compute_metrics_for("stsb", True)(EvalPrediction(np.array(predicted)[:, None], np.array(labels)))


BINARY = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)
SCORES = st.lists(st.tuples(st.integers(0, 10), st.integers(-9, 9)), min_size=2, max_size=20)


@given(BINARY)
def test_binary_metrics_are_those_of_the_counts(rows: list[tuple[int, int]]) -> None:
    labels, predicted = map(list, zip(*rows, strict=True))
    tp, tn = rows.count((1, 1)), rows.count((0, 0))
    fp, fn = rows.count((0, 1)), rows.count((1, 0))
    found = classification("mrpc", labels, predicted)
    assert found["accuracy"] == pytest.approx((tp + tn) / len(rows))
    assert found["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn) if tp else 0.0)
    spread = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    matthews = (tp * tn - fp * fn) / math.sqrt(spread) if spread else 0.0
    assert classification("cola", labels, predicted)["matthews_correlation"] == pytest.approx(matthews)


@given(SCORES)
def test_correlations_are_those_of_the_definitions(rows: list[tuple[int, int]]) -> None:
    labels, predicted = map(list, zip(*rows, strict=True))
    found = similarity(labels, predicted)
    ranks = [
        [sum(b < a for b in series) + sum(b == a for b in series) / 2 for a in series]
        for series in (labels, predicted)
    ]
    for name, series in (("pearson", (labels, predicted)), ("spearmanr", ranks)):
        if min(len(set(one)) for one in series) == 1:
            assert math.isnan(found[name])
        else:
            x, y = (np.array(one, dtype=float) - np.mean(one) for one in series)
            assert found[name] == pytest.approx((x @ y) / math.sqrt((x @ x) * (y @ y)), abs=1e-9)


def test_predicting_one_class_only_is_worth_nothing_to_matthews_and_f1() -> None:
    assert classification("cola", [0, 1, 1], [1, 1, 1]) == {"matthews_correlation": 0.0}
    assert classification("qqp", [1, 1, 0], [0, 0, 0])["f1"] == 0.0


def test_f1_of_rows_without_the_positive_label_is_zero() -> None:
    assert classification("mrpc", [0, 0], [0, 0])["f1"] == 0.0


def test_a_model_with_more_classes_than_the_data_is_judged_all_the_same() -> None:
    assert classification("mrpc", [0, 1, 1], [2, 1, 0], classes=3)["f1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("predicted", [[1.0, 1.0, 1.0], [math.nan, 1.0, 2.0]], ids=["constant", "nan"])
def test_a_correlation_that_is_not_defined_is_nan(predicted: list[float]) -> None:
    found = similarity([0.0, 1.0, 2.0], predicted)
    assert [math.isnan(found[name]) for name in ("pearson", "spearmanr", "combined_score")] == [True] * 3


def test_a_single_row_has_no_correlation() -> None:
    assert math.isnan(similarity([1.0], [1.0])["pearson"])
