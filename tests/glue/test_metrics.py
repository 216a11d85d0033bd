"""The GLUE metrics, against values worked out by hand."""

import math

import numpy as np
import pytest
from transformers import EvalPrediction

from nc_trainer.glue.metrics import compute_metrics_for

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
