"""The measurements of one model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from nc_trainer.benchmark.footprint import Footprint
from nc_trainer.benchmark.statistics import median, percentile, throughput

SUMMARY = ("latency_ms_median", "latency_ms_p90", "latency_ms_p99", "throughput_samples_per_s", "real_tokens_per_s")


@dataclass(frozen=True)
class ModelTiming:
    """One model's latencies.

    Attributes:
        name: of the model.
        batch_size: the largest, in rows.
        samples: rows of all timed calls together.
        latencies_s: duration of each timed call, a whole batch, in seconds. With several instances, their calls of
            the first round come first, then those of the second.
        metric_name: of the metric that was evaluated beside the timing.
        metric_value: its value.
        file_size_mb: of the saved weights, in 10^6 bytes.
        tokens_real: tokens of all timed calls together, without padding; None if that is unknown.
        instances: how many processes ran at the same time.
        footprint: memory and load time, None if they were not measured.
    """

    name: str
    batch_size: int
    samples: int
    latencies_s: tuple[float, ...]
    metric_name: str | None = None
    metric_value: float | None = None
    file_size_mb: float | None = None
    tokens_real: int | None = None
    instances: int = 1
    footprint: Footprint | None = None

    @property
    def latency_ms_median(self) -> float:
        """Median duration of a call, milliseconds."""
        return median(self.latencies_s) * 1e3

    @property
    def latency_ms_p90(self) -> float:
        """90th percentile of the duration of a call, milliseconds."""
        return percentile(self.latencies_s, 90) * 1e3

    @property
    def latency_ms_p99(self) -> float:
        """99th percentile of the duration of a call, milliseconds."""
        return percentile(self.latencies_s, 99) * 1e3

    @property
    def throughput_samples_per_s(self) -> float:
        """All samples divided by the sum of all durations; the sum over instances, which run at the same time."""
        return self._per_second(self.samples)

    @property
    def real_tokens_per_s(self) -> float | None:
        """The same of tokens that are not padding."""
        return None if self.tokens_real is None else self._per_second(self.tokens_real)

    @property
    def latencies_by_instance_s(self) -> tuple[tuple[float, ...], ...]:
        """The durations of each instance, [instances][rounds]."""
        return tuple(self.latencies_s[number :: self.instances] for number in range(self.instances))

    @property
    def latencies_by_round_s(self) -> tuple[float, ...]:
        """The mean duration over instances of each round: what comparisons rest on."""
        if self.instances == 1:
            return self.latencies_s
        return tuple(fmean(calls) for calls in zip(*self.latencies_by_instance_s, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Every field, and the summary computed from `latencies_s`."""
        return {**asdict(self), **{name: getattr(self, name) for name in SUMMARY}}

    def _per_second(self, count: int) -> float:
        """Every instance is given the same batches, so each has its share of the count."""
        share = count / self.instances
        return sum(throughput(share, seconds) for seconds in self.latencies_by_instance_s)


def by_round(series: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """`latencies_s` from the durations of each instance, [instances][rounds]."""
    return tuple(seconds for calls in zip(*series, strict=True) for seconds in calls)
