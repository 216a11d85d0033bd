"""Numbers as people read them."""

import math

from nc_trainer.search import CompleteTrial, Trial


def metric_value(value: float | None) -> str:
    """A metric with four decimals."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.4f}"


def signed(value: float) -> str:
    """A difference with its sign, a real minus included."""
    return f"{value:+.4f}".replace("-", "−")


def megabytes(count: int) -> str:
    """Bytes in MB of 10**6."""
    return f"{count / 1e6:.1f} MB"


def share(value: float) -> str:
    """A share of 1 in percent; 100 % and 0 % only where it is all or nothing."""
    percent = value * 100
    if 0 < percent < 0.1 or 99.9 < percent < 100:
        return f"{percent:.2f} %"
    return f"{percent:.1f} %" if 0 < percent < 100 else f"{percent:.0f} %"


def seconds(value: float) -> str:
    """A duration."""
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{value // 60:.0f} min {value % 60:.0f} s"


def times(ratio: float) -> str:
    """A ratio of speeds."""
    return f"{ratio:.2f}×"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


def trial_name(trial: Trial) -> str:
    """`float` for the baseline, else the number."""
    return "float" if trial.number == 0 else str(trial.number)


def judged_value(trial: Trial) -> str:
    """The metric; of a trial that was stopped early, what it could have become."""
    if trial.state == "pruned":
        return f"{metric_value(trial.low)} to {metric_value(trial.high)}"
    return metric_value(trial.value) if isinstance(trial, CompleteTrial) else "failed"
