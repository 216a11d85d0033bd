"""Several metrics judged as one: their weighted mean, or the one that lost most."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nc_trainer.config import AccuracyCriterion
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.metric import Metric, choose_metric
from nc_trainer.search.trial import Evaluation


@dataclass(frozen=True)
class Together:
    """Adds one number to every evaluation, which the study judges like any other metric.

    With weights it is the weighted mean of the metrics, those where lower is better with a minus. Without, it is the
    worst of their changes against the float model, as a share of the float model's value under a relative criterion
    and in the metrics' own unit under an absolute one: it meets the criterion when each of them does.

    Attributes:
        metrics: what is judged.
        weights: one for each, None for the worst change.
        relative, absolute: the loss that is tolerated; exactly one is set.
        baseline: the float model's metrics.
    """

    metrics: tuple[Metric, ...]
    weights: tuple[float, ...] | None
    relative: float | None
    absolute: float | None
    baseline: Mapping[str, float]

    @classmethod
    def of(cls, rule: AccuracyCriterion, evaluation: Evaluation) -> "Together":
        """What `multi_metrics` asks for, of the float model's evaluation.

        Raises:
            QuantizationError: a metric was not computed for the float model.
        """
        several = rule.multi_metrics
        names = several.metrics or ()
        directions = several.higher_is_better or (None,) * len(names)
        baseline, unusable = evaluation.metrics, evaluation.unusable
        chosen = tuple(choose_metric(baseline, *asked, unusable) for asked in zip(names, directions, strict=True))
        return cls(chosen, several.weight, rule.relative, rule.absolute, baseline)

    @property
    def criterion(self) -> Criterion:
        """What the added number must meet."""
        metric = Metric(self.name, True)
        if self.weights:
            return Criterion(metric, self.relative, self.absolute)
        return Criterion(metric, None, self.relative if self.absolute is None else self.absolute)

    @property
    def name(self) -> str:
        """Under which the number is added."""
        names = [metric.name for metric in self.metrics]
        if self.weights is None:
            return f"worst change of {', '.join(names)}"
        return " + ".join(f"{weight:g} {name}" for weight, name in zip(self.weights, names, strict=True))

    def judging(self, evaluate: Callable[..., Evaluation]) -> Callable[..., Evaluation]:
        """`evaluate` with the number added to what it returns."""

        def judged(*args: Any) -> Evaluation:
            return self.added(evaluate(*args))

        return judged

    def added(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation with the number; one without metrics, which was stopped, as it is."""
        if not evaluation.metrics:
            return evaluation
        values = [metric.key(evaluation.number(metric.name)) for metric in self.metrics]
        before = [metric.key(self.baseline[metric.name]) for metric in self.metrics]
        number = self._mean(values) if self.weights else min(map(self._change, values, before))
        return replace(evaluation, metrics={**evaluation.metrics, self.name: number})

    def _mean(self, values: list[float]) -> float:
        weights = self.weights or ()
        return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)

    def _change(self, value: float, before: float) -> float:
        """Of nothing no share can be lost, so a loss from 0 counts as all of it."""
        if self.absolute is not None:
            return value - before
        if before:
            return (value - before) / abs(before)
        return value if value >= 0 else -1.0
