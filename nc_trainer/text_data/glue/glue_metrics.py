"""The official GLUE metrics, computed offline with scikit-learn and scipy.

Same definitions as the benchmark's own (Wang et al., 2018): accuracy, binary F1, Matthews correlation,
Pearson and Spearman correlation. As in run_glue, several metrics are joined by `combined_score`, their mean.

Where a definition divides by zero: F1 and Matthews correlation are 0; a correlation with constant predictions, or of
a single row, is NaN. A float model whose metric is NaN is not tuned, and a trial whose metric is NaN has failed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ConstantInputWarning, pearsonr, spearmanr
from sklearn.metrics import f1_score, matthews_corrcoef
from transformers import EvalPrediction

from nc_trainer.text_data.glue.tasks import glue_task

Metric = Callable[[NDArray, NDArray], float]


def compute_metrics_for(
    task_name: str | None, is_regression: bool, positive_id: int = 1
) -> Callable[[EvalPrediction], dict[str, float]]:
    """The `compute_metrics` of a Trainer.

    Args:
        task_name: a GLUE task, or None for the user's own data (accuracy, or mse for regression).
        is_regression: predictions are floats (shape [rows, 1]), not one logit per label ([rows, labels]).
        positive_id: the model's id of the label that F1 counts as positive.

    Returns:
        A function from predictions (logits, or a tuple that starts with them) and labels to metrics.
    """
    names = glue_task(task_name).metrics if task_name else (("mse",) if is_regression else ("accuracy",))
    metrics = _metrics(positive_id)

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
        predicted = np.squeeze(logits, axis=-1) if is_regression else np.argmax(logits, axis=-1)
        result = {name: float(metrics[name](np.asarray(prediction.label_ids), predicted)) for name in names}
        if len(result) > 1:
            result["combined_score"] = float(np.mean(list(result.values())))
        return result

    return compute_metrics


def _metrics(positive_id: int) -> dict[str, Metric]:
    """Each metric as a function of (labels, predictions)."""
    return {
        "accuracy": lambda labels, predicted: (labels == predicted).mean(),
        "f1": lambda labels, predicted: f1_score(labels == positive_id, predicted == positive_id, zero_division=0.0),
        "matthews_correlation": matthews_corrcoef,
        "mse": lambda labels, predicted: np.square(labels - predicted).mean(),
        "pearson": lambda labels, predicted: _correlation(pearsonr, labels, predicted),
        "spearmanr": lambda labels, predicted: _correlation(spearmanr, labels, predicted),
    }


def _correlation(function: Callable[..., Any], labels: NDArray, predicted: NDArray) -> float:
    """NaN where it is not defined, without a warning: NaN says it."""
    if len(labels) < 2:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        return function(labels, predicted).statistic
