"""From series of durations, and what is known besides, to a report."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nc_trainer.benchmark.conditions import Conditions
from nc_trainer.benchmark.footprint import Footprint
from nc_trainer.benchmark.machine import Machine
from nc_trainer.benchmark.model_timing import ModelTiming, by_round
from nc_trainer.benchmark.report import BenchmarkReport, Settings
from nc_trainer.benchmark.statistics import compare
from nc_trainer.benchmark.workload import Workload
from nc_trainer.errors import NCTrainerError


@dataclass(frozen=True)
class Facts:
    """What the caller knows of the models, by name; each may name only some of them."""

    metric_name: str | None
    metric_values: Mapping[str, float]
    file_sizes_mb: Mapping[str, float]
    footprints: Mapping[str, Footprint]

    @classmethod
    def of(
        cls,
        models: Collection[str],
        metric_name: str | None = None,
        metric_values: Mapping[str, float] | None = None,
        file_sizes_mb: Mapping[str, float] | None = None,
        footprints: Mapping[str, Footprint] | None = None,
    ) -> "Facts":
        """What was given, checked.

        Raises:
            NCTrainerError: a model is named that is not timed, or it is not said what the scores are.
        """
        scores = {name: float(value) for name, value in (metric_values or {}).items()}
        sizes = {name: float(value) for name, value in (file_sizes_mb or {}).items()}
        if scores and metric_name is None:
            raise NCTrainerError("metric_values were given without metric_name; say what they measure.")
        given: dict[str, Mapping[str, Any]] = {
            "metric_values": scores,
            "file_sizes_mb": sizes,
            "footprints": footprints or {},
        }
        for argument, values in given.items():
            unknown = sorted(set(values) - set(models))
            if unknown:
                raise NCTrainerError(
                    f"{argument} names {unknown}, which are not timed; the models are {list(models)}."
                )
        return cls(metric_name, scores, sizes, footprints or {})


def assemble(
    series: Mapping[str, Sequence[Sequence[float]]],
    workload: Workload,
    facts: Facts,
    machine: Machine,
    settings: Settings,
    conditions: Conditions,
) -> BenchmarkReport:
    """The report.

    Args:
        series: seconds by model, [instances][rounds].
        workload: of the timed rounds of one instance.
        facts: of the models.
        machine, settings, conditions: where and how it was measured.
    """
    timings = tuple(_timing(name, calls, workload, facts) for name, calls in series.items())
    first, *others = timings
    pairs = tuple(
        compare(first.name, first.latencies_by_round_s, other.name, other.latencies_by_round_s) for other in others
    )
    return BenchmarkReport(timings, pairs, workload, machine, settings, conditions)


def _timing(name: str, calls: Sequence[Sequence[float]], workload: Workload, facts: Facts) -> ModelTiming:
    value = facts.metric_values.get(name)
    return ModelTiming(
        name=name,
        batch_size=workload.batch_size_max,
        samples=workload.samples * len(calls),
        latencies_s=by_round(calls),
        metric_name=None if value is None else facts.metric_name,
        metric_value=value,
        file_size_mb=facts.file_sizes_mb.get(name),
        tokens_real=None if workload.tokens_real is None else workload.tokens_real * len(calls),
        instances=len(calls),
        footprint=facts.footprints.get(name),
    )
