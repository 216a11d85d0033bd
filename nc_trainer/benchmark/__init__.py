"""Honest timing of models on a CPU: the same batches, interleaved, with the machine written down."""

from nc_trainer.benchmark.assemble import Facts
from nc_trainer.benchmark.compare_reports import ReportComparison, compare_reports
from nc_trainer.benchmark.conditions import Conditions
from nc_trainer.benchmark.cores import Placement, place_instances
from nc_trainer.benchmark.fit import fit
from nc_trainer.benchmark.footprint import Footprint, measure_footprint
from nc_trainer.benchmark.instances import benchmark_instances
from nc_trainer.benchmark.machine import Machine, describe_machine
from nc_trainer.benchmark.measure import benchmark_models
from nc_trainer.benchmark.model_timing import ModelTiming
from nc_trainer.benchmark.options import BenchmarkOptions
from nc_trainer.benchmark.report import BenchmarkReport, Settings
from nc_trainer.benchmark.sources import ModelSource
from nc_trainer.benchmark.statistics import Comparison, compare, compare_unpaired
from nc_trainer.benchmark.timing import time_interleaved
from nc_trainer.benchmark.workload import Workload

__all__ = [
    "BenchmarkOptions",
    "BenchmarkReport",
    "Comparison",
    "Conditions",
    "Facts",
    "Footprint",
    "Machine",
    "ModelSource",
    "ModelTiming",
    "Placement",
    "ReportComparison",
    "Settings",
    "Workload",
    "benchmark_instances",
    "benchmark_models",
    "compare",
    "compare_reports",
    "compare_unpaired",
    "describe_machine",
    "fit",
    "measure_footprint",
    "place_instances",
    "time_interleaved",
]
