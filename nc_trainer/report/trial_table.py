"""The table of trials, as plain text."""

from collections.abc import Mapping, Sequence

from nc_trainer.int8.call_counts import with_count
from nc_trainer.search import CompleteTrial, Metric, Trial
from nc_trainer.search.objectives.objective import ERROR

SHOWN_FALLBACKS = 3


def trial_table(
    metric: Metric,
    baseline: CompleteTrial,
    trials: Sequence[Trial],
    chosen: Trial,
    calls: Mapping[str, int] | None = None,
) -> str:
    """One line a trial: metric, change against the baseline, flipped predictions, what is int8, the dtype of the rest,
    verdict, what fell back. `calls` are the calls of modules in a forward pass; more than one are shown."""
    objectives = tuple(baseline.objectives)
    header = ("trial", metric.name, "change", "flips", "int8", "rest", "seconds", *objectives, "verdict", "in float")
    rows = [header, *(_row(trial, baseline, chosen, objectives, calls or {}) for trial in (baseline, *trials))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(
    trial: Trial, baseline: CompleteTrial, chosen: Trial, objectives: Sequence[str], calls: Mapping[str, int]
) -> tuple[str, ...]:
    is_baseline = trial is baseline
    total = len(trial.recipe.modules)
    return (
        "float" if is_baseline else str(trial.number),
        _value(trial),
        "" if is_baseline else _change(trial, baseline),
        "" if is_baseline else _flips(trial),
        f"{len(trial.recipe.quantized)}/{total}",
        trial.recipe.float_dtype,
        f"{trial.seconds:.1f}",
        *(_objective(name, trial.objectives) for name in objectives),
        _verdict(trial, is_baseline) + (" <- chosen" if trial is chosen else ""),
        "all" if is_baseline else trial.error or _names([with_count(name, calls) for name in trial.recipe.fallbacks]),
    )


def _value(trial: Trial) -> str:
    """The metric; of a trial that was stopped early, what it could have become."""
    if trial.state == "pruned":
        return f"{trial.low:.4f}..{trial.high:.4f}"
    return f"{trial.value:.4f}" if isinstance(trial, CompleteTrial) else "failed"


def _change(trial: Trial, baseline: CompleteTrial) -> str:
    return f"{trial.value - baseline.value:+.4f}" if isinstance(trial, CompleteTrial) else ""


def _objective(name: str, measured: Mapping[str, float]) -> str:
    """`performance` is a share of the float model's time; sizes are in MB of 10**6 bytes."""
    if name not in measured:
        return ""
    if name in ("modelsize", "footprint"):
        return f"{measured[name] / 1e6:.2f} MB"
    error = measured.get(name + ERROR)
    return f"{measured[name]:.3g}" + (f" ±{error:.2g}" if error else "")


def _flips(trial: Trial) -> str:
    """Flipped rows of all rows; of them how many for the better and the worse, and McNemar's p-value."""
    if trial.flips is None:
        return ""
    shown = f"{trial.flips}/{trial.rows}"
    return shown if trial.p_value is None else f"{shown} (+{trial.better} -{trial.worse}, p {trial.p_value:.2f})"


def _verdict(trial: Trial, is_baseline: bool) -> str:
    if is_baseline:
        return "baseline"
    if trial.state == "pruned":
        return f"not met, after {trial.share:.0%}"
    if trial.lost_label is not None:
        return f"not met, label {trial.lost_label}"
    return "met" if trial.accepted else "met by luck" if trial.lucky else "not met"


def _names(names: Sequence[str]) -> str:
    if len(names) <= SHOWN_FALLBACKS:
        return ", ".join(names) or "none"
    return f"{', '.join(names[:SHOWN_FALLBACKS])} and {len(names) - SHOWN_FALLBACKS} more"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0])]
    cells += [cell.rjust(width) for cell, width in zip(row[1:-2], widths[1:-2], strict=True)]
    cells += [cell.ljust(width) for cell, width in zip(row[-2:], widths[-2:], strict=True)]
    return "  ".join(cells).rstrip()
