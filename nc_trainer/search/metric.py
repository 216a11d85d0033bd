"""Which number of an evaluation is judged, and which direction is better."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
    metrics: Mapping[str, float], wanted: str | None = None, higher_is_better: bool | None = None
) -> Metric:
    """Pick the metric to judge by.

    A name that is asked for wins. Otherwise the first of `DEFAULT_ORDER` that was computed; otherwise the only
    one there is beside the loss; otherwise, when nothing but the loss was computed, the loss.

    Args:
        metrics: what an evaluation returned, without prefix.
        wanted: a metric's name, with or without `eval_`.
        higher_is_better: the direction; None derives it from the name.

    Raises:
        QuantizationError: the metric asked for was not computed, or there is no way to choose.
    """
    name = _find(metrics, wanted.removeprefix("eval_")) if wanted else _default(metrics)
    return Metric(name, not _lower_is_better(name) if higher_is_better is None else higher_is_better)


def _find(metrics: Iterable[str], name: str) -> str:
    if name not in metrics:
        raise QuantizationError(
            f"The metric `{name}` was not computed by the evaluation, which returned {sorted(metrics)}. "
            "Name one of these, or return it from `compute_metrics`."
        )
    return name


def _default(metrics: Mapping[str, float]) -> str:
    for name in DEFAULT_ORDER:
        if name in metrics:
            return name
    others = [name for name in metrics if name != "loss"]
    if len(others) == 1:
        return others[0]
    if not others and "loss" in metrics:
        return "loss"
    raise QuantizationError(
        f"Cannot tell which metric to tune for: the evaluation returned {sorted(metrics)}. "
        "Name one with `quantize(metric_name=...)`, `tuning.metric` or `metric_for_best_model`."
    )


def _lower_is_better(name: str) -> bool:
    return any(name == ending or name.endswith(f"_{ending}") for ending in LOWER_IS_BETTER)
