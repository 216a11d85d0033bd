"""All trials: accuracy against speed in a picture, and everything in a table."""

from collections.abc import Sequence

from nc_trainer.report.page.html import Html, code_list, join, table, tag
from nc_trainer.report.page.number_format import count, judged_value, seconds, share, signed, times, trial_name
from nc_trainer.report.page.trade_off import TradeOff, shape_of
from nc_trainer.report.report_data import ReportData
from nc_trainer.search import CompleteTrial, Trial

SHOWN_FALLBACKS = 4
TITLES = ("Change", "Speed", "Int8 weights", "Rest in", "Flips", "Took", "Verdict", "In float")
KINDS = {
    "baseline": "float model",
    "chosen": "chosen",
    "accepted": "accepted",
    "refused": "refused",
    "pruned": "stopped early: what it could have become",
    "front": "not beaten by any other",
}


def trials(data: ReportData) -> Html | None:
    """The picture, and a table of the baseline and every trial in the order they were judged."""
    picture = TradeOff(data)
    header = ["Trial", data.metric.name, *TITLES]
    rows = [_row(data, trial) for trial in data.trials]
    return join(
        tag("figure", picture.draw(), tag("figcaption", _legend(picture))),
        tag("p", _how(data), class_="muted"),
        table("Every trial, in the order they were judged", header, rows, numbers=range(1, 8)),
    )


def _legend(picture: TradeOff) -> Html:
    used = {picture.kind(trial) for trial in picture.shown} | {"front"}
    return tag(
        "ul", [tag("li", _symbol(kind), " ", said) for kind, said in KINDS.items() if kind in used], class_="legend"
    )


def _symbol(kind: str) -> Html:
    shapes = {"pruned": tag("path", d="M-5-7H5M0-7V7M-5 7H5"), "front": tag("path", d="M-9-5V5H9", class_="front")}
    shape = shapes.get(kind) or shape_of(kind)
    return tag("svg", shape, class_=f"mark {kind}", width=22, height=22, viewBox="-11 -11 22 22", aria_hidden="true")


def _how(data: ReportData) -> str:
    """How speed was measured, or why it was not."""
    if not data.speed.comparisons:
        return (
            f"{data.speed.note or 'Speed was not measured.'} The picture shows the share of weights in int8 instead."
        )
    rounds = next(iter(data.speed.comparisons.values())).rounds
    said = (
        f"Speed is of a forward pass over batches of {count(data.speed.batch_size or 0, 'row')} against the float "
        f"model, median of {rounds} rounds in which all took turns; lines are 95 % intervals."
    )
    return f"{said} {data.speed.note}".strip()


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
        "all" if is_baseline else trial.error or _fallbacks(data.counted(trial.recipe.fallbacks)),
    ]


def _change(data: ReportData, trial: Trial) -> str:
    return signed(trial.value - data.baseline.value) if isinstance(trial, CompleteTrial) else ""


def _verdict(data: ReportData, trial: Trial) -> object:
    if trial is data.baseline:
        return "baseline"
    if trial.state == "failed":
        return "failed"
    said = "meets the criterion" if trial.accepted else "meets it by luck" if trial.lucky else "refused"
    if trial.lost_label is not None:
        said += f": the recall of label {trial.lost_label} is lower by {trial.lost_recall:.4f}"
    if trial.state == "pruned":
        said += f" after {share(trial.share)} of the rows"
    return [said, ", ", tag("strong", "chosen")] if trial.number == data.chosen else said


def _fallbacks(names: Sequence[str]) -> object:
    more = f" and {len(names) - SHOWN_FALLBACKS} more" if len(names) > SHOWN_FALLBACKS else None
    return [code_list(names[:SHOWN_FALLBACKS]), more] if names else "none"
