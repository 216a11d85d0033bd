"""Metrics by the names of the original's files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tiny import tiny_trainer

from nc_trainer import ConfigError, TuningConfig
from nc_trainer.compat.named_metrics import metric_names, named_metrics
from nc_trainer.config import EvaluationAccuracy

LOGITS = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 2.0, 1.0], [1.0, 2.0, 0.0]])
LABELS = np.array([0, 1, 1, 0])


def computed(metric: Any, logits: np.ndarray = LOGITS, labels: np.ndarray = LABELS) -> dict[str, float]:
    compute = named_metrics(EvaluationAccuracy(metric=metric))
    assert compute is not None
    return compute(logits, labels)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("Accuracy", {"accuracy": 0.5}),
        ({"Accuracy": {}}, {"accuracy": 0.5}),
        ({"topk": 1}, {"topk": 0.5}),
        ({"topk": 2}, {"topk": 1.0}),
        ({"topk": {"k": 3}}, {"topk": 1.0}),
        ({"GLUE": {"task": "sst2"}}, {"accuracy": 0.5}),
    ],
    ids=str,
)
def test_metrics_of_classes(metric: Any, expected: dict[str, float]) -> None:
    assert computed(metric) == expected


def test_f1_is_that_of_label_1() -> None:
    logits = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert computed("F1", logits, np.array([1, 1, 0])) == {"f1": pytest.approx(0.5)}


def test_metrics_of_numbers() -> None:
    logits, labels = np.array([[1.0], [2.0]]), np.array([2.0, 5.0])
    assert computed("MSE", logits, labels) == {"mse": 5.0}
    assert computed("MAE", logits, labels) == {"mae": 2.0}
    assert computed("RMSE", logits, labels) == {"rmse": pytest.approx(5.0**0.5)}


def test_several_metrics() -> None:
    accuracy = EvaluationAccuracy(multi_metrics={"Accuracy": {}, "topk": 2, "weight": [1, 1]})  # type: ignore[arg-type]
    compute = named_metrics(accuracy)
    assert compute is not None
    assert compute(LOGITS, LABELS) == {"accuracy": 0.5, "topk": 1.0}
    assert metric_names(accuracy) == ["accuracy", "topk"]


def test_glue_is_known_by_its_first_metric() -> None:
    accuracy = EvaluationAccuracy(multi_metrics={"GLUE": {"task": "cola"}})  # type: ignore[arg-type]
    assert metric_names(accuracy) == ["matthews_correlation"]


def test_without_a_metric_there_is_none() -> None:
    assert named_metrics(EvaluationAccuracy()) is None


@pytest.mark.parametrize(
    ("accuracy", "message"),
    [
        ({"metric": "mAP"}, "`evaluation.accuracy.metric`: found the text 'mAP', expected one of Accuracy, F1"),
        ({"metric": {"F1": {}, "MSE": {}}}, "`evaluation.accuracy.metric`: found a mapping, expected one of"),
        ({"metric": "F1", "multi_metrics": {"F1": {}}}, "`evaluation.accuracy`: found both"),
        ({"multi_metrics": {"weight": [1]}}, "`evaluation.accuracy.multi_metrics`: found a mapping, expected several"),
        ({"multi_metrics": {"F1": {}, "weight": 1}}, "`evaluation.accuracy.multi_metrics`: found a mapping"),
        ({"configs": {}}, "`evaluation.accuracy.configs`: known from Neural Compressor"),
    ],
)
def test_what_is_not_known_is_refused(accuracy: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TuningConfig.from_dict({"evaluation": {"accuracy": accuracy}})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"GLUE": {}}, "GLUE needs its task"),
        ({"GLUE": {"tasks": "mrpc"}}, "`GLUE` has the setting `task` only"),
        ({"F1": {"average": "macro"}}, "`F1` has no settings here"),
        ({"topk": {"n": 1}}, "`topk` has the setting `k` only"),
    ],
)
def test_a_setting_that_is_not_known_is_refused(metric: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        named_metrics(EvaluationAccuracy(metric=metric))  # type: ignore[arg-type]


def test_a_trainer_has_its_own_metrics(tmp_path: Path) -> None:
    conf = TuningConfig.from_dict({"evaluation": {"accuracy": {"metric": "F1"}}})
    with pytest.raises(ConfigError, match=r"`evaluation\.accuracy`: a Trainer computes its own metrics"):
        tiny_trainer(tmp_path).quantize(conf)
