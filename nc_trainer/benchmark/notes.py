"""What a reader should know before believing the numbers."""

from nc_trainer.benchmark.conditions import Conditions
from nc_trainer.benchmark.measurements import Measurements
from nc_trainer.benchmark.statistics import MINIMUM_ROUNDS, Comparison, drift


def notes(report: Measurements) -> list[str]:
    """A busy machine, series that drift, rounds that depend on each other: one sentence each."""
    found = [_busy(report.conditions)] if report.conditions and report.conditions.busy else []
    drifts = {timing.name: drift(timing.latencies_by_round_s) for timing in report.models}
    found += [_drift(name, change) for name, change in drifts.items() if change is not None]
    found += filter(None, (_ratio_drift(report, one) for one in report.comparisons))
    return found + [_dependent(one) for one in report.comparisons if _is_dependent(one)]


def _busy(conditions: Conditions) -> str:
    return (
        f"The machine was busy: other programs kept {conditions.others:.1f} of {conditions.processors} processors at "
        "work meanwhile. Latencies are too high, and ratios may be off."
    )


def _drift(name: str, change: float) -> str:
    return (
        f"{name}: calls of the second half took {abs(change) * 100:.0f} % {'more' if change > 0 else 'less'} time "
        "than the first half's. Its batches differ, or the machine changed: warm up longer, or wait until it is idle."
    )


def _ratio_drift(report: Measurements, comparison: Comparison) -> str | None:
    seconds = {timing.name: timing.latencies_by_round_s for timing in report.models}
    pairs = zip(seconds.get(comparison.baseline, ()), seconds.get(comparison.candidate, ()), strict=False)
    change = drift([baseline / candidate for baseline, candidate in pairs])
    if change is None:
        return None
    return (
        f"{comparison.candidate} against {comparison.baseline}: the ratio was {abs(change) * 100:.0f} % "
        f"{'higher' if change > 0 else 'lower'} in the second half than in the first. It depends on the batches, or "
        "on what else the machine does: do not quote it."
    )


def _is_dependent(comparison: Comparison) -> bool:
    effective = comparison.effective_rounds
    return effective is not None and effective < MINIMUM_ROUNDS <= comparison.rounds


def _dependent(comparison: Comparison) -> str:
    return (
        f"{comparison.candidate} against {comparison.baseline}: neighbouring rounds resemble each other so much that "
        f"{comparison.rounds} say no more than {comparison.effective_rounds:.1f} independent ones. Take more rounds."
    )
