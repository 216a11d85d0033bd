"""What a benchmark measured, and what that depends on."""

from dataclasses import dataclass

from nc_trainer.benchmark.conditions import Conditions
from nc_trainer.benchmark.machine import Machine
from nc_trainer.benchmark.model_timing import ModelTiming
from nc_trainer.benchmark.statistics import CONFIDENCE, RESAMPLES, SEED, Comparison
from nc_trainer.benchmark.workload import Workload


@dataclass(frozen=True)
class Settings:
    """How it was measured: rounds per model, and the bootstrap behind the intervals.

    `instances` has the logical processors that each instance was pinned to; it is empty when the models were timed in
    one process that was not pinned.
    """

    warmup: int
    iterations: int
    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    seed: int = SEED
    instances: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Measurements:
    """Models timed side by side.

    Attributes:
        models: one each, in the order that they were given in.
        comparisons: each later model against the first one.
        workload: the batches.
        machine: CPU, threads, versions and all else that the numbers depend on.
        settings: rounds, the bootstrap behind the intervals, instances.
        conditions: how busy the machine was; None in files of version 1.
    """

    models: tuple[ModelTiming, ...]
    comparisons: tuple[Comparison, ...]
    workload: Workload
    machine: Machine
    settings: Settings
    conditions: Conditions | None = None
