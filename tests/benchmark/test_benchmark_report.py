import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from helpers.sample_reports import FP32, FULL, INT8, MACHINE, REPORT, VERSION_1, WORKLOAD, replaced

from nc_trainer.benchmark import BenchmarkReport, Comparison, ModelTiming
from nc_trainer.benchmark.report_text import comparison_text
from nc_trainer.errors import NCTrainerError

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
        pytest.param(FULL, id="instances, footprint, conditions"),
        pytest.param(replaced(machine=dataclasses.replace(MACHINE, isa=None, allocator={})), id="unknown machine"),
    ],
)
def test_what_is_saved_is_what_is_loaded(report: BenchmarkReport, tmp_path: Path) -> None:
    path = tmp_path / "results" / "benchmark.json"
    report.save(path)
    assert BenchmarkReport.load(path) == report
    assert [entry.name for entry in path.parent.iterdir()] == ["benchmark.json"]


def test_files_of_version_1_are_read() -> None:
    report = BenchmarkReport.from_dict(VERSION_1)
    assert report.models[0] == ModelTiming("fp32", 1, 2, (0.2, 0.3), file_size_mb=9.5)
    assert report.comparisons == (Comparison("fp32", "int8", 1.7, 1.5, 2.0, rounds=2),)
    assert (report.conditions, report.notes, report.settings.instances) == (None, [], ())


def test_everything_that_can_be_asked_for_is_printed() -> None:
    lines = str(FULL).splitlines()
    assert lines[1] == "Threads:         2 in each of 2 instances, pinned to processors 0 2; 1 3"
    assert lines[5:8] == [
        "Sequence length: 32 to 128, median 48, padded (25 % padding)",
        "Rounds:          3, interleaved, after 5 to warm up",
        "Load:            0.50 at the start, 3.25 at the end; used by other programs: 1.50 of 4 processors",
    ]
    assert lines[10:] == [
        "  Accuracy: 0.885",
        "  Batch size = 1",
        "  Latency: 750.000 ms (median of a batch; p90 1000.000, p99 1000.000)",
        "  Throughput: 3.000 samples/sec, 156 tokens/sec without padding",
        "    instance 0: 500.000 ms, 2.000 samples/sec",
        "    instance 1: 1000.000 ms, 1.000 samples/sec",
        "  Size: 90.9 MB",
        "  Memory: 620 MB at most, 500 MB when loaded, 400 MB of it before (a process of its own, resident)",
        "  Loading: 0.60 s (median of 3 processes, warm page cache)",
        "",
        "Note: The machine was busy: other programs kept 1.5 of 4 processors at work meanwhile. "
        "Latencies are too high, and ratios may be off.",
    ]


def test_comparisons_of_instances_rest_on_rounds() -> None:
    timing = FULL.models[0]
    assert timing.latencies_by_instance_s == ((0.5,) * 3, (1.0,) * 3)
    assert timing.latencies_by_round_s == (0.75,) * 3


def test_a_drift_and_dependent_rounds_are_noted() -> None:
    timing = dataclasses.replace(INT8, latencies_s=(1.0, 1.01) * 10 + (1.5, 1.51) * 10)
    comparison = Comparison("fp32", "int8", 2.0, 1.5, 2.5, rounds=40, block=9, effective_rounds=3.2)
    steady = dataclasses.replace(FP32, latencies_s=(1.5, 1.51) * 20)
    report = replaced(models=(steady, timing), comparisons=(comparison,))
    drifted, ratio, dependent = report.notes
    assert ratio.startswith("int8 against fp32: the ratio was 33 % lower in the second half than in the first.")
    assert drifted.startswith("int8: calls of the second half took 50 % more time than the first half's.")
    assert "40 say no more than 3.2 independent ones" in dependent
    assert "too few rounds to tell (40 rounds worth 3.2 independent ones, at least 6 needed; ratio 2.00)" in str(
        report
    )


def test_rounds_that_were_drawn_in_blocks_are_mentioned() -> None:
    comparison = Comparison("fp32", "int8", 2.0, 1.5, 2.5, rounds=100, block=5, effective_rounds=31.04)
    text = comparison_text(comparison, confidence=0.95)
    assert text.endswith("interval 1.50-2.50, 100 rounds worth 31.0 independent ones)")


def test_csv_has_a_line_for_each_model_with_machine_and_versions(tmp_path: Path) -> None:
    REPORT.save(tmp_path / "report.csv")
    with open(tmp_path / "report.csv", newline="", encoding="utf-8") as file:
        fp32, int8 = csv.DictReader(file)
    assert (fp32["name"], fp32["latency_ms_median"], fp32["verdict"]) == ("fp32", "7.0", "")
    assert (int8["name"], int8["ratio"], int8["verdict"]) == ("int8", "2.0254", "faster")
    assert (int8["machine_torch"], int8["machine_isa"]) == ("2.13.0", "avx2 avx512f")
    assert int8["machine_allocator"] == "MALLOC_MMAP_THRESHOLD_=1073741824"


def test_csv_of_instances_and_footprint(tmp_path: Path) -> None:
    FULL.save(tmp_path / "report.csv")
    with open(tmp_path / "report.csv", newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    names = ("instances", "peak_mb", "load_s_median", "conditions_others", "real_tokens_per_s", "settings_instances")
    assert [row[name] for name in names] == ["2", "620.0", "0.6", "1.5", "156.0", "0 2 1 3"]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in REPORT.to_dict().items() if name != key}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "Cannot read a benchmark report from", id="truncated"),
        pytest.param("[]", "Not a benchmark report", id="not an object"),
        pytest.param('{"format": "something else", "version": 1}', "Not a benchmark report", id="other file"),
        pytest.param(json.dumps({**REPORT.to_dict(), "version": 3}), "version 1 or 2", id="other version"),
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
