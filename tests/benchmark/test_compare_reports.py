from dataclasses import replace
from typing import Any

import pytest
from helpers.sample_reports import FP32, INT8, MACHINE, REPORT, WORKLOAD

from nc_trainer.benchmark import BenchmarkReport, Settings, compare_reports
from nc_trainer.errors import NCTrainerError


def report(seconds: float, **changes: Any) -> BenchmarkReport:
    """Both models take `seconds` and a little more in turn."""
    latencies = (seconds, seconds * 1.01) * 20
    return replace(REPORT, models=tuple(replace(one, latencies_s=latencies) for one in (FP32, INT8)), **changes)


def test_models_are_compared_with_themselves_by_name() -> None:
    found = compare_reports(report(2.0), report(1.0))
    assert found.comparable
    assert [(one.candidate, one.verdict, one.ratio) for one in found.ratios] == [
        ("fp32", "faster", 2.0),
        ("int8", "faster", 2.0),
    ]
    assert "int8 against before: faster (ratio 2.00" in str(found)


def test_noise_is_not_claimed() -> None:
    assert compare_reports(report(1.0), report(1.0)).ratios[0].verdict == "within noise"


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        pytest.param(
            {"machine": replace(MACHINE, cpu="Another")},
            "cpu Some CPU (family 6, model 143) before, Another after",
            id="cpu",
        ),
        pytest.param({"machine": replace(MACHINE, threads=8)}, "threads 2 before, 8 after", id="threads"),
        pytest.param({"workload": replace(WORKLOAD, samples=9)}, "samples 3 before, 9 after", id="workload"),
        pytest.param(
            {"settings": Settings(5, 3, instances=((0,), (1,)))}, "instances  before, (0,) (1,) after", id="instances"
        ),
    ],
)
def test_what_differs_is_named_and_nothing_is_claimed(changes: dict[str, Any], difference: str) -> None:
    found = compare_reports(report(2.0), report(1.0, **changes))
    assert not found.comparable
    assert found.differences == (difference,)
    assert "int8: not comparable, no claim (ratio 2.00)" in str(found)
    assert "faster" not in str(found)


def test_versions_and_engine_may_be_what_is_compared() -> None:
    found = compare_reports(report(2.0), report(1.0, machine=replace(MACHINE, torch="2.14.0", engine="native")))
    assert found.comparable
    assert found.changes == ("torch 2.13.0 before, 2.14.0 after", "engine onednn before, native after")


def test_what_an_old_file_does_not_know_does_not_differ() -> None:
    newer = report(1.0, workload=replace(WORKLOAD, fingerprint="ab"))
    assert compare_reports(report(2.0), newer).comparable
    assert not compare_reports(report(2.0, workload=replace(WORKLOAD, fingerprint="cd")), newer).comparable


def test_without_a_common_model_there_is_nothing_to_compare() -> None:
    other = replace(REPORT, models=(replace(INT8, name="other"),))
    with pytest.raises(NCTrainerError, match=r"no model in common: fp32, int8 .*, other in the second"):
        compare_reports(REPORT, other)
