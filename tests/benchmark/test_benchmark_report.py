import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from nc_trainer.benchmark import BenchmarkReport, Comparison, Machine, ModelTiming, Settings, Workload
from nc_trainer.benchmark.text import comparison_text
from nc_trainer.errors import NCTrainerError

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

PRINTED = """\
CPU:             Some CPU (family 6, model 143), 2 cores (4 logical), avx2 avx512f
Threads:         2
Allocator:       MALLOC_MMAP_THRESHOLD_=1073741824
Versions:        python 3.11.7, torch 2.13.0, transformers 5.23.0, nc_trainer 0.1.0
Int8 engine:     onednn
Sequence length: 32 to 128, median 48 (25 % padding)
Rounds:          3, interleaved, after 5 to warm up

fp32
  Accuracy: 0.885
  Batch size = 1
  Latency: 7.000 ms (median of a batch; p90 7.800, p99 7.980)
  Throughput: 142.9 samples/sec
  Size: 90.9 MB

int8
  Batch size = 1
  Latency: 3.456 ms (median of a batch; p90 3.891, p99 3.989)
  Throughput: 286.9 samples/sec

int8 against fp32: faster (ratio 2.03, 95 % interval 1.75-2.33)"""


def replaced(**changes: Any) -> BenchmarkReport:
    return dataclasses.replace(REPORT, **changes)


def test_the_printed_block() -> None:
    assert str(REPORT) == PRINTED


def test_what_is_unknown_is_said_to_be_unknown() -> None:
    machine = dataclasses.replace(
        MACHINE, physical_cores=None, logical_cores=None, isa=None, allocator={}, engine=None, nc_trainer=None
    )
    lengths: dict[str, Any] = dict.fromkeys(("sequence_length_min", "sequence_length_median", "sequence_length_max"))
    lines = str(replaced(machine=machine, workload=dataclasses.replace(WORKLOAD, **lengths))).splitlines()
    assert lines[:6] == [
        "CPU:             Some CPU (family 6, model 143), ? cores (? logical), instruction sets unknown",
        "Threads:         2",
        "Allocator:       default",
        "Versions:        python 3.11.7, torch 2.13.0, transformers 5.23.0",
        "Int8 engine:     none",
        "Sequence length: unknown",
    ]


def test_a_smaller_last_batch_is_mentioned() -> None:
    timing = dataclasses.replace(INT8, batch_size=16)
    workload = dataclasses.replace(WORKLOAD, batch_size_min=8, batch_size_max=16)
    assert "  Batch size = 16 (smallest 8)" in str(replaced(models=(timing,), workload=workload)).splitlines()


def test_slow_models_keep_their_digits() -> None:
    timing = dataclasses.replace(INT8, latencies_s=(2.0, 2.0, 4.0))
    assert "  Throughput: 0.375 samples/sec" in str(replaced(models=(timing,))).splitlines()


@pytest.mark.parametrize(
    ("ratio", "low", "high", "rounds", "expected"),
    [
        pytest.param(
            1.02,
            0.97,
            1.07,
            100,
            "no difference beyond noise (ratio 1.02, 95 % interval 0.97-1.07)",
            id="noise",
        ),
        pytest.param(0.5, 0.4, 0.6, 100, "slower (ratio 0.50, 95 % interval 0.40-0.60)", id="slower"),
        pytest.param(1.5, 1.4, 1.6, 100, "faster (ratio 1.50, 95 % interval 1.40-1.60)", id="faster"),
        pytest.param(
            1.01,
            1.002,
            1.02,
            100,
            "faster (ratio 1.0100, 95 % interval 1.0020-1.0200)",
            id="faster by a hair",
        ),
        pytest.param(
            1.5,
            1.4,
            1.6,
            5,
            "too few rounds to tell (5 rounds, at least 6 needed; ratio 1.50)",
            id="few rounds",
        ),
    ],
)
def test_the_comparison_claims_no_more_than_was_measured(
    ratio: float, low: float, high: float, rounds: int, expected: str
) -> None:
    comparison = Comparison("fp32", "int8", ratio, low, high, rounds)
    assert comparison_text(comparison, confidence=0.95) == f"int8 against fp32: {expected}"


def test_json_keeps_raw_latencies_and_names_units() -> None:
    timing = REPORT.to_dict()["models"][0]
    assert timing["latencies_s"] == (0.006, 0.008, 0.007)
    assert timing["latency_ms_median"] == 7.0
    assert timing["latency_ms_p90"] == pytest.approx(7.8, rel=1e-12)
    assert timing["latency_ms_p99"] == pytest.approx(7.98, rel=1e-12)
    assert timing["throughput_samples_per_s"] == 3 / (0.006 + 0.008 + 0.007)
    assert REPORT.to_dict()["comparisons"][0]["verdict"] == "faster"


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(REPORT, id="everything known"),
        pytest.param(replaced(comparisons=(), models=(INT8,)), id="one model"),
        pytest.param(replaced(machine=dataclasses.replace(MACHINE, isa=None, allocator={})), id="unknown machine"),
    ],
)
def test_what_is_saved_is_what_is_loaded(report: BenchmarkReport, tmp_path: Path) -> None:
    path = tmp_path / "results" / "benchmark.json"
    report.save(path)
    assert BenchmarkReport.load(path) == report
    assert [entry.name for entry in path.parent.iterdir()] == ["benchmark.json"]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in REPORT.to_dict().items() if name != key}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "Cannot read a benchmark report from", id="truncated"),
        pytest.param("[]", "Not a benchmark report", id="not an object"),
        pytest.param('{"format": "something else", "version": 1}', "Not a benchmark report", id="other file"),
        pytest.param(json.dumps({**REPORT.to_dict(), "version": 2}), "version 1", id="other version"),
        pytest.param(json.dumps(without("machine")), "incomplete or damaged: .*machine", id="no machine"),
        pytest.param(json.dumps({**REPORT.to_dict(), "models": [{}]}), "incomplete or damaged", id="no fields"),
        pytest.param(json.dumps({**REPORT.to_dict(), "workload": 1}), "incomplete or damaged", id="wrong type"),
    ],
)
def test_a_file_that_is_not_a_report(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    path.write_text(content)
    with pytest.raises(NCTrainerError, match=message):
        BenchmarkReport.load(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match=r"Cannot read a benchmark report from .*none\.json"):
        BenchmarkReport.load(tmp_path / "none.json")
