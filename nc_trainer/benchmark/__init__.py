"""Honest timing of models on a CPU: the same batches, interleaved, with the machine written down."""

from nc_trainer.benchmark.benchmark import benchmark_models
from nc_trainer.benchmark.machine import Machine, describe_machine
from nc_trainer.benchmark.report import BenchmarkReport, ModelTiming, Settings
from nc_trainer.benchmark.statistics import Comparison, compare
from nc_trainer.benchmark.timing import time_interleaved
from nc_trainer.benchmark.workload import Workload

__all__ = [
    "BenchmarkReport",
    "Comparison",
    "Machine",
    "ModelTiming",
    "Settings",
    "Workload",
    "benchmark_models",
    "compare",
    "describe_machine",
    "time_interleaved",
]
