"""All trials in a table."""

from nc_trainer.report.data import ReportData
from nc_trainer.report.page.html import Html, code_list, table, tag
from nc_trainer.report.page.numbers import judged_value, seconds, share, signed, times, trial_name
from nc_trainer.tuning import Trial

SHOWN_FALLBACKS = 4
TITLES = ("Change", "Faster", "Int8 weights", "Rest in", "Flips", "Took", "Verdict", "In float")


def trials(data: ReportData) -> Html | None:
    """The baseline and every trial, in the order they were judged."""
    header = ["Trial", data.metric.name, *TITLES]
    rows = [_row(data, trial) for trial in data.trials]
    return table("Every trial, in the order they were judged", header, rows, numbers=range(1, 8))


def _row(data: ReportData, trial: Trial) -> list[object]:
    is_baseline = trial is data.baseline
    speed = data.speed.comparisons.get(trial.number)
    return [
        trial_name(trial),
        judged_value(trial),
        "" if is_baseline else _change(data, trial),
        times(speed.ratio) if speed else "",
        share(data.int8_share(trial)),
        trial.recipe.float_dtype,
        "" if trial.flips is None else f"{trial.flips} of {trial.rows}",
        seconds(trial.seconds),
        _verdict(data, trial),
        "all" if is_baseline else trial.error or _fallbacks(trial),
    ]


def _change(data: ReportData, trial: Trial) -> str:
    if trial.value is None or data.baseline.value is None:
        return ""
    return signed(trial.value - data.baseline.value)


def _verdict(data: ReportData, trial: Trial) -> object:
    if trial is data.baseline:
        return "baseline"
    if trial.state == "failed":
        return "failed"
    said = "meets the criterion" if trial.accepted else "refused"
    if trial.state == "pruned":
        said += f" after {share(trial.share)} of the rows"
    return [said, ", ", tag("strong", "chosen")] if trial.number == data.chosen else said


def _fallbacks(trial: Trial) -> object:
    names = trial.recipe.fallbacks
    more = f" and {len(names) - SHOWN_FALLBACKS} more" if len(names) > SHOWN_FALLBACKS else None
    return [code_list(names[:SHOWN_FALLBACKS]), more] if names else "none"
