"""What a reader should know before believing the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nc_trainer.benchmark.statistics import MINIMUM_ROUNDS, drift

if TYPE_CHECKING:
    from nc_trainer.benchmark.conditions import Conditions
    from nc_trainer.benchmark.report import BenchmarkReport
    from nc_trainer.benchmark.statistics import Comparison


def notes(report: BenchmarkReport) -> list[str]:
    """A busy machine, series that drift, rounds that depend on each other: one sentence each."""
    found = [_busy(report.conditions)] if report.conditions and report.conditions.busy else []
    for timing in report.models:
        change = drift(timing.latencies_by_round_s)
        if change is not None:
            direction = "longer" if change > 0 else "less long"
            found.append(
                f"{timing.name}: calls of the second half took {abs(change) * 100:.0f} % {direction} than the first "
                "half's. Either its batches differ, or the machine changed: warm up longer, or wait until it is idle."
            )
    return found + [_dependent(one) for one in report.comparisons if _is_dependent(one)]


def _busy(conditions: Conditions) -> str:
    return (
        f"The machine was busy: other programs kept {conditions.others:.1f} of {conditions.processors} processors at "
        "work meanwhile. Latencies are too high, and ratios may be off."
    )


def _is_dependent(comparison: Comparison) -> bool:
    effective = comparison.effective_rounds
    return effective is not None and effective < MINIMUM_ROUNDS <= comparison.rounds


def _dependent(comparison: Comparison) -> str:
    return (
        f"{comparison.candidate} against {comparison.baseline}: neighbouring rounds resemble each other so much that "
        f"{comparison.rounds} say no more than {comparison.effective_rounds:.1f} independent ones. Take more rounds."
    )
