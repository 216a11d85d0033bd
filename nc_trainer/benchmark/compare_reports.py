"""Two reports of separate runs, set against each other: what differed besides the models, then the ratios."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from nc_trainer.benchmark.report import BenchmarkReport
from nc_trainer.benchmark.report_text import comparison_text
from nc_trainer.benchmark.statistics import CONFIDENCE, Comparison, compare_unpaired
from nc_trainer.errors import NCTrainerError

DECISIVE_OF_MACHINE = ("cpu", "isa", "physical_cores", "logical_cores", "memory_bytes", "threads", "allocator", "os")
"""Where one of these differs, a ratio says nothing of the models. Versions and the engine may be what is compared."""
UNKNOWN = (None, "")


@dataclass(frozen=True)
class ReportComparison:
    """The models that both reports have, by name.

    Attributes:
        ratios: one for each common model, `before` being the baseline. Rounds of separate runs are not paired, so each
            series is drawn on its own, and the intervals are wider than those within a report.
        differences: what differs besides the models, one sentence each; as long as there is one, nothing is claimed.
        changes: what differs and may be the point of comparing: versions, the int8 engine.
        notes: what weakens either report.
        confidence: of the intervals.
    """

    ratios: tuple[Comparison, ...]
    differences: tuple[str, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    confidence: float = CONFIDENCE

    @property
    def comparable(self) -> bool:
        """Whether machine, threads and workload are the same, as far as both reports tell."""
        return not self.differences

    def __str__(self) -> str:
        lines = [f"Changed: {change}" for change in self.changes]
        if self.comparable:
            lines += [comparison_text(one, self.confidence) for one in self.ratios]
            lines.append("Two runs: the intervals cover the noise within each, not what else changed between them.")
        else:
            lines += [f"Differs: {difference}" for difference in self.differences]
            lines += [f"{one.candidate}: not comparable, no claim (ratio {one.ratio:.2f})" for one in self.ratios]
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])


def compare_reports(before: BenchmarkReport, after: BenchmarkReport) -> ReportComparison:
    """Set each model of `after` against the one of the same name in `before`.

    Raises:
        NCTrainerError: they have no model in common.
    """
    known = {timing.name: timing.latencies_by_round_s for timing in before.models}
    ratios = tuple(
        compare_unpaired("before", known[timing.name], timing.name, timing.latencies_by_round_s)
        for timing in after.models
        if timing.name in known
    )
    if not ratios:
        raise NCTrainerError(
            f"The reports have no model in common: {', '.join(known)} in the first, "
            f"{', '.join(timing.name for timing in after.models)} in the second. Models are matched by name."
        )
    machine = _differing(before.machine, after.machine)
    decisive = [text for name, text in machine.items() if name in DECISIVE_OF_MACHINE]
    workload = _differing(before.workload, after.workload).values()
    instances = _differing(before.settings, after.settings).get("instances")
    return ReportComparison(
        ratios,
        differences=(*decisive, *workload, *([instances] if instances else [])),
        changes=tuple(text for name, text in machine.items() if name not in DECISIVE_OF_MACHINE),
        notes=(*(f"before: {note}" for note in before.notes), *(f"after: {note}" for note in after.notes)),
    )


def _differing(before: Any, after: Any) -> dict[str, str]:
    """A sentence for each field that both know and that differs."""
    one, other = asdict(before), asdict(after)
    return {
        name: f"{name.replace('_', ' ')} {_shown(one[name])} before, {_shown(other[name])} after"
        for name in (field.name for field in fields(before))
        if one[name] != other[name] and one[name] not in UNKNOWN and other[name] not in UNKNOWN
    }


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
