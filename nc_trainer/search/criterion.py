"""Accept a trial or not."""

import math
from dataclasses import dataclass

from nc_trainer.search.metric import Metric

ROUNDING = 1e-9


@dataclass(frozen=True)
class Criterion:
    """How much of the baseline's metric may be lost.

    With a relative tolerance r the loss may be up to r * |baseline|, with an absolute tolerance a up to a:

        higher is better: value >= baseline - tolerated    lower is better: value <= baseline + tolerated

    The absolute value keeps the meaning for negative baselines. A baseline of zero tolerates no loss at all under
    a relative tolerance. Exactly one of `relative` and `absolute` is set; an infinite `absolute` accepts every number.
    """

    metric: Metric
    relative: float | None = 0.01
    absolute: float | None = None

    def tolerated(self, baseline: float) -> float:
        """The largest loss that is accepted, in the metric's units; never negative."""
        if self.absolute is not None:
            return self.absolute
        return (self.relative or 0.0) * abs(baseline)

    def threshold(self, baseline: float) -> float:
        """The worst value that is accepted."""
        tolerated = self.tolerated(baseline)
        return baseline - tolerated if self.metric.higher_is_better else baseline + tolerated

    def accepts(self, value: float, baseline: float) -> bool:
        """Whether `value` is good enough. NaN never is; differences below 1e-9 are rounding."""
        return self.metric.key(value) >= self.metric.key(self.threshold(baseline)) - ROUNDING

    def describe(self, baseline: float) -> str:
        """One line for people."""
        if self.absolute == math.inf:
            return f"any {self.metric.name} (performance_only)"
        sign = ">=" if self.metric.higher_is_better else "<="
        rule = f"relative {self.relative:g}" if self.absolute is None else f"absolute {self.absolute:g}"
        return f"{self.metric.name} {sign} {self.threshold(baseline):.4f} ({rule} of {baseline:.4f})"
