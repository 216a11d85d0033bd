"""Metrics by the names of Neural Compressor's files, and its protocol for one's own."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from sklearn.metrics import f1_score
from transformers import EvalPrediction

from nc_trainer.config import EvaluationAccuracy
from nc_trainer.errors import ConfigError
from nc_trainer.text_data.glue.glue_metrics import compute_metrics_for
from nc_trainer.text_data.glue.tasks import glue_task

Compute = Callable[[Any, Any], dict[str, float]]
"""From logits [rows, classes] (or a tuple that starts with them) and labels [rows] to metrics by name."""


class UpdatedMetric(Protocol):
    """A metric that is told of one batch after the other, as in Neural Compressor."""

    def update(self, predictions: Any, labels: Any) -> None:
        """The next rows."""

    def reset(self) -> None:
        """Forget all rows."""

    def result(self) -> float:
        """The metric of the rows since the last `reset`."""


def named_metrics(accuracy: EvaluationAccuracy) -> Compute | None:
    """What `evaluation.accuracy` asks for; None when it asks for nothing.

    Raises:
        ConfigError: a metric's setting is unknown.
    """
    chosen = accuracy.metric or accuracy.multi_metrics
    if chosen is None:
        return None
    computed = [_metric(name, given) for name, given in chosen.items() if name not in ("weight", "higher_is_better")]

    def compute(predictions: Any, labels: Any) -> dict[str, float]:
        return {name: value for part in computed for name, value in part(predictions, labels).items()}

    return compute


def metric_names(accuracy: EvaluationAccuracy) -> list[str]:
    """The keys under which `multi_metrics` are computed, in order; GLUE's own first metric stands for GLUE."""
    chosen = [item for item in (accuracy.multi_metrics or {}).items() if item[0] not in ("weight", "higher_is_better")]
    return [glue_task(str(given["task"])).metrics[0] if name == "GLUE" else name.lower() for name, given in chosen]


def updated_metric(metric: UpdatedMetric, name: str) -> Compute:
    """`metric` as a function of all rows at once."""

    def compute(predictions: Any, labels: Any) -> dict[str, float]:
        metric.reset()
        metric.update(predictions, labels)
        return {name: float(metric.result())}

    return compute


def _metric(name: str, given: Any) -> Compute:
    if name == "GLUE":
        return _glue(given)
    if name == "topk":
        return _top(_setting(name, {"k": given} if isinstance(given, int) else given, "k", 1))
    if not isinstance(given, Mapping) or given:
        raise ConfigError(f"`evaluation.accuracy`: `{name}` has no settings here, found {given!r}. Leave them out.")
    formula = _FORMULAS[name]
    return lambda predictions, labels: {name.lower(): float(formula(_logits(predictions), np.asarray(labels)))}


def _setting(name: str, given: Any, key: str, default: Any) -> Any:
    unknown = set(given) - {key}
    if unknown:
        raise ConfigError(f"`evaluation.accuracy`: `{name}` has the setting `{key}` only, found {sorted(unknown)}.")
    return given.get(key, default)


def _glue(given: Mapping[str, Any]) -> Compute:
    task = _setting("GLUE", given, "task", None)
    if task is None:
        raise ConfigError("`evaluation.accuracy`: GLUE needs its task, e.g. `GLUE: {task: mrpc}`.")
    compute = compute_metrics_for(str(task), glue_task(str(task)).is_regression)
    return lambda predictions, labels: compute(EvalPrediction(predictions, np.asarray(labels)))


def _top(k: int) -> Compute:
    def compute(predictions: Any, labels: Any) -> dict[str, float]:
        best = np.argsort(-_logits(predictions), axis=-1, kind="stable")[:, :k]
        return {"topk": float((best == np.asarray(labels)[:, None]).any(axis=-1).mean())}

    return compute


def _logits(predictions: Any) -> np.ndarray:
    return np.asarray(predictions[0] if isinstance(predictions, (tuple, list)) else predictions)


def _error(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return logits.reshape(labels.shape) - labels


_FORMULAS: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "Accuracy": lambda logits, labels: (logits.argmax(-1) == labels).mean(),
    "F1": lambda logits, labels: f1_score(labels, logits.argmax(-1)),
    "MAE": lambda logits, labels: np.abs(_error(logits, labels)).mean(),
    "MSE": lambda logits, labels: np.square(_error(logits, labels)).mean(),
    "RMSE": lambda logits, labels: np.sqrt(np.square(_error(logits, labels)).mean()),
}
