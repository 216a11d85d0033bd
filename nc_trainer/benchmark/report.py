"""The record of a benchmark: raw latencies and what they depend on; printable, and kept as JSON."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nc_trainer._files import write_text_atomically
from nc_trainer.benchmark.machine import Machine
from nc_trainer.benchmark.statistics import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    Comparison,
    median,
    percentile,
    throughput,
)
from nc_trainer.benchmark.text import report_text
from nc_trainer.benchmark.workload import Workload
from nc_trainer.errors import NCTrainerError

FORMAT = "nc_trainer benchmark"
VERSION = 1


@dataclass(frozen=True)
class ModelTiming:
    """One model's latencies: the duration of each timed call, a whole batch, in seconds.

    `batch_size` is the largest; `samples` is the sum over all calls. `file_size_mb` is in 10^6 bytes.
    """

    name: str
    batch_size: int
    samples: int
    latencies_s: tuple[float, ...]
    metric_name: str | None = None
    metric_value: float | None = None
    file_size_mb: float | None = None

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
        """All samples divided by the sum of all durations."""
        return throughput(self.samples, self.latencies_s)

    def to_dict(self) -> dict[str, Any]:
        """Every field, and the summary computed from `latencies_s`."""
        summary = ("latency_ms_median", "latency_ms_p90", "latency_ms_p99", "throughput_samples_per_s")
        return {**asdict(self), **{name: getattr(self, name) for name in summary}}


@dataclass(frozen=True)
class Settings:
    """How it was measured: rounds per model, and the bootstrap behind the intervals."""

    warmup: int
    iterations: int
    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    seed: int = SEED


@dataclass(frozen=True)
class BenchmarkReport:
    """Models timed side by side. `comparisons` set each later model against the first one.

    `str(report)` is the block to print.
    """

    models: tuple[ModelTiming, ...]
    comparisons: tuple[Comparison, ...]
    workload: Workload
    machine: Machine
    settings: Settings

    def __str__(self) -> str:
        return report_text(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types. Numbers are as measured, not rounded; units are in the key names."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "models": [timing.to_dict() for timing in self.models],
            "comparisons": [{**asdict(one), "verdict": one.verdict} for one in self.comparisons],
            "workload": asdict(self.workload),
            "machine": asdict(self.machine),
            "settings": asdict(self.settings),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "BenchmarkReport":
        """The inverse of `to_dict`; what can be computed from the raw numbers is computed again.

        Raises:
            NCTrainerError: `data` is not a benchmark report of a version this code reads.
        """
        if not isinstance(data, Mapping) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
            raise NCTrainerError(f"Not a benchmark report: expected format {FORMAT!r}, version {VERSION}.")
        try:
            return cls(
                models=tuple(_fields(ModelTiming, one) for one in data["models"]),
                comparisons=tuple(_fields(Comparison, one) for one in data["comparisons"]),
                workload=_fields(Workload, data["workload"]),
                machine=_fields(Machine, data["machine"]),
                settings=_fields(Settings, data["settings"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise NCTrainerError(f"The benchmark report is incomplete or damaged: {error!r}.") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` to `path` as JSON."""
        write_text_atomically(path, json.dumps(self.to_dict(), indent=2) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "BenchmarkReport":
        """Read what `save` wrote.

        Raises:
            NCTrainerError: the file cannot be read or does not hold a benchmark report.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise NCTrainerError(f"Cannot read a benchmark report from {path}: {error}") from error
        return cls.from_dict(data)


def _fields(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """An instance of the dataclass `kind`, with JSON's lists as tuples, ignoring what is not a field."""
    known = {name: value for name, value in values.items() if name in kind.__dataclass_fields__}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()})
