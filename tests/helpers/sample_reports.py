"""Benchmark reports with numbers that were made up."""

import dataclasses
from typing import Any

from nc_trainer.benchmark import (
    BenchmarkReport,
    Comparison,
    Conditions,
    Footprint,
    Machine,
    ModelTiming,
    Settings,
    Workload,
)

MACHINE = Machine(
    cpu="Some CPU (family 6, model 143)",
    physical_cores=2,
    logical_cores=4,
    threads=2,
    isa=("avx2", "avx512f"),
    memory_bytes=8_000_000_000,
    allocator={"MALLOC_MMAP_THRESHOLD_": "1073741824"},
    os="Linux",
    python="3.11.7",
    torch="2.13.0",
    transformers="5.23.0",
    nc_trainer="0.1.0",
    engine="onednn",
)
WORKLOAD = Workload(
    samples=3,
    batch_size_min=1,
    batch_size_max=1,
    sequence_length_min=32,
    sequence_length_median=48.0,
    sequence_length_max=128,
    tokens_real=156,
    tokens_padding=52,
)
FP32 = ModelTiming(
    name="fp32",
    batch_size=1,
    samples=3,
    latencies_s=(0.006, 0.008, 0.007),
    metric_name="eval_accuracy",
    metric_value=0.885,
    file_size_mb=90.9,
)
INT8 = ModelTiming(name="int8", batch_size=1, samples=3, latencies_s=(0.003, 0.004, 0.0034561))
REPORT = BenchmarkReport(
    models=(FP32, INT8),
    comparisons=(Comparison("fp32", "int8", ratio=2.0254, low=1.75, high=2.3333, rounds=100),),
    workload=WORKLOAD,
    machine=MACHINE,
    settings=Settings(warmup=5, iterations=3),
)


def replaced(**changes: Any) -> BenchmarkReport:
    return dataclasses.replace(REPORT, **changes)


BUSY = Conditions("2026-01-01T00:00:00+00:00", load_start=0.5, load_end=3.25, others=1.5, processors=4)
FOOTPRINT = Footprint(
    imported_mb=400.0, loaded_mb=500.4, peak_mb=620.0, load_s=(0.5, 0.7, 0.6), first_batch_s=(1.0,) * 3
)
FULL = replaced(
    comparisons=(),
    models=(
        dataclasses.replace(
            FP32, samples=6, tokens_real=312, instances=2, latencies_s=(0.5, 1.0) * 3, footprint=FOOTPRINT
        ),
    ),
    settings=Settings(5, 3, instances=((0, 2), (1, 3))),
    conditions=BUSY,
    workload=dataclasses.replace(WORKLOAD, lengths="padded"),
)

VERSION_1 = {
    "format": "nc_trainer benchmark",
    "version": 1,
    "models": [
        {"name": "fp32", "batch_size": 1, "samples": 2, "latencies_s": [0.2, 0.3], "metric_name": None,
         "metric_value": None, "file_size_mb": 9.5, "latency_ms_median": 250.0},
        {"name": "int8", "batch_size": 1, "samples": 2, "latencies_s": [0.1, 0.2], "metric_name": None,
         "metric_value": None, "file_size_mb": None, "latency_ms_median": 150.0},
    ],
    "comparisons": [
        {"baseline": "fp32", "candidate": "int8", "ratio": 1.7, "low": 1.5, "high": 2.0, "rounds": 2}
    ],
    "workload": {"samples": 2, "batch_size_min": 1, "batch_size_max": 1, "sequence_length_min": None,
                 "sequence_length_median": None, "sequence_length_max": None, "tokens_real": None,
                 "tokens_padding": None},
    "machine": {**dataclasses.asdict(MACHINE), "isa": ["avx2"]},
    "settings": {"warmup": 5, "iterations": 2, "confidence": 0.95, "resamples": 2000, "seed": 20240},
}  # fmt: skip
