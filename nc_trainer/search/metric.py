"""Which number of an evaluation is judged, and which direction is better."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nc_trainer.errors import QuantizationError

DEFAULT_ORDER = (
    "f1",
    "accuracy",
    "matthews_correlation",
    "mcc",
    "spearmanr",
    "pearson",
    "acc",
    "combined_score",
    "exact_match",
    "mse",
    "rmse",
    "mae",
)
"""Looked for in this order when the user names no metric. It covers every GLUE task and SQuAD; F1 comes before
accuracy, as in Neural Compressor's example."""

logger = logging.getLogger(__name__)

LOWER_IS_BETTER = ("loss", "mse", "rmse", "mae", "perplexity", "error", "wer", "cer")


@dataclass(frozen=True)
class Metric:
    """A metric that is judged.

    Attributes:
        name: without the evaluation's prefix, e.g. `f1`.
        higher_is_better: its direction.
    """

    name: str
    higher_is_better: bool

    def better(self, value: float, other: float) -> bool:
        """Whether `value` is strictly better than `other`."""
        return value > other if self.higher_is_better else value < other

    def key(self, value: float) -> float:
        """A number that is larger when `value` is better."""
        return value if self.higher_is_better else -value


def choose_metric(
    metrics: Mapping[str, float],
    wanted: str | None = None,
    higher_is_better: bool | None = None,
    unusable: Mapping[str, str] = MappingProxyType({}),
) -> Metric:
    """Pick the metric to judge by.

    A name that is asked for wins. Otherwise the first of `DEFAULT_ORDER` that was computed, or else the first that
    one name ends with, as in `validation_accuracy`; otherwise the only one there is beside the loss; otherwise, when
    nothing but one loss was to be computed, the loss.

    Args:
        metrics: what an evaluation returned, without prefix.
        wanted: a metric's name, with or without `eval_`.
        higher_is_better: the direction; None derives it from the name.
        unusable: what was to be a metric and is no number: by name, what it is instead.

    Raises:
        QuantizationError: the metric asked for was not computed or is no number, there is no way to choose, or only
            the loss is left although other metrics were to be computed.
    """
    name = _wanted(metrics, wanted, unusable) if wanted else _default(metrics, unusable)
    return Metric(name, not _lower_is_better(name) if higher_is_better is None else higher_is_better)


def _wanted(metrics: Mapping[str, float], wanted: str, unusable: Mapping[str, str]) -> str:
    names = (wanted, wanted.removeprefix("eval_"))
    for name in names:
        if name in metrics:
            return name
    for name in names:
        if name in unusable:
            raise QuantizationError(f"The metric {_said({name: unusable[name]})}, expected a number.")
    also = f" ({_said(unusable)})" if unusable else ""
    raise QuantizationError(
        f"The metric `{names[1]}` was not computed by the evaluation, which returned {sorted(metrics)}{also}. "
        "Name one of these, or return it from `compute_metrics`."
    )


def _default(metrics: Mapping[str, float], unusable: Mapping[str, str]) -> str:
    for name in DEFAULT_ORDER:
        if name in metrics:
            return name
        if name in unusable and set(DEFAULT_ORDER) & set(metrics):
            logger.warning("The metric %s: another one is judged.", _said({name: unusable[name]}))
    for name in DEFAULT_ORDER:
        ending = [found for found in metrics if found.endswith(f"_{name}")]
        if len(ending) == 1:
            return ending[0]
        if ending:
            break
    losses = [name for name in metrics if _is(name, "loss")]
    others = [name for name in metrics if name not in losses]
    if len(others) == 1:
        return others[0]
    if not others and unusable:
        raise QuantizationError(
            f"There is no metric to judge by: {_said(unusable)}, expected a number. The loss is judged only if it is "
            "asked for (`tuning.metric: loss`) or if there is no `compute_metrics`."
        )
    if not others and len(losses) == 1:
        return losses[0]
    raise QuantizationError(
        f"Cannot tell which metric to tune for: the evaluation returned {sorted(metrics)}. "
        "Name one with `quantize(metric_name=...)`, `tuning.metric` or `metric_for_best_model`, or several in "
        "`tuning.accuracy_criterion.multi_metrics`."
    )


def _said(unusable: Mapping[str, str]) -> str:
    return "; ".join(f"`{name}` {what}" for name, what in unusable.items())


def _lower_is_better(name: str) -> bool:
    return any(_is(name, ending) for ending in LOWER_IS_BETTER)


def _is(name: str, metric: str) -> bool:
    """Whether a name is a metric's, perhaps behind the name of a data set."""
    return name == metric or name.endswith(f"_{metric}")
