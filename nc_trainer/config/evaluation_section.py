"""The section `evaluation`: what is computed from an evaluation dataloader, and how a benchmark is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nc_trainer.config.frozen_mapping import FrozenMapping
from nc_trainer.config.performance import EvaluationPerformance
from nc_trainer.config.rules import Rule
from nc_trainer.config.section import Section, setting
from nc_trainer.errors import ConfigError

METRICS = ("Accuracy", "F1", "GLUE", "MAE", "MSE", "RMSE", "topk")
_LISTS = ("weight", "higher_is_better")


@dataclass(frozen=True, kw_only=True)
class EvaluationAccuracy(Section, path="evaluation.accuracy"):
    """Metrics by the original's names; either `metric` or `multi_metrics`."""

    metric: FrozenMapping | None = setting(
        None,
        Rule(f"one of {', '.join(METRICS)}, with its settings, or null", lambda value: _metric(value)),
        "What is computed from the batches of `eval_dataloader`, e.g. `GLUE: {task: mrpc}`. "
        "A Trainer has its own, `compute_metrics`.",
    )
    multi_metrics: FrozenMapping | None = setting(
        None,
        Rule(
            f"several of {', '.join(METRICS)} with their settings, `weight` and `higher_is_better`, or null",
            lambda value: _several(value),
        ),
        "Several of them, judged together as by `tuning.accuracy_criterion.multi_metrics`.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.metric is not None and self.multi_metrics is not None:
            raise ConfigError(
                f"`{self.place}`: found both `metric` and `multi_metrics`, expected one. Remove the other."
            )


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig(Section, path="evaluation"):
    """How a model is evaluated without a Trainer, and how it is timed."""

    accuracy: EvaluationAccuracy = field(
        default_factory=EvaluationAccuracy, metadata={"help": "What is computed to judge a model."}
    )
    performance: EvaluationPerformance = field(
        default_factory=EvaluationPerformance, metadata={"help": "How a benchmark is measured."}
    )


def _metric(value: Any) -> FrozenMapping | None:
    if value is None:
        return None
    content = {value: None} if isinstance(value, str) else value
    if not isinstance(content, Mapping) or len(content) != 1:
        raise ValueError
    return FrozenMapping({_known(name): _settings(inner) for name, inner in content.items()})


def _several(value: Any) -> FrozenMapping | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not set(value) - set(_LISTS):
        raise ValueError
    metrics = {_known(name): _settings(inner) for name, inner in value.items() if name not in _LISTS}
    lists = {name: tuple(value[name]) for name in _LISTS if name in value and isinstance(value[name], (list, tuple))}
    if len(lists) != sum(name in value for name in _LISTS):
        raise ValueError
    return FrozenMapping(metrics | lists)


def _known(name: object) -> str:
    if name not in METRICS:
        raise ValueError
    return str(name)


def _settings(value: Any) -> FrozenMapping | int:
    """`topk: 1` has a number, the others a mapping of plain values or nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if value is None:
        return FrozenMapping({})
    if not isinstance(value, Mapping) or not all(isinstance(inner, (str, int, bool)) for inner in value.values()):
        raise ValueError
    return FrozenMapping({str(key): inner for key, inner in value.items()})
