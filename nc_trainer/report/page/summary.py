"""The head of the page: the outcome in one line, and the figures that matter."""

from nc_trainer.report.page.html import Html, join, tag
from nc_trainer.report.page.number_format import count, megabytes, metric_value, share, signed, times
from nc_trainer.report.report_data import ReportData

BADGES = {"met": "Criterion met", "best_effort": "Best effort: criterion not met", "baseline": "Still float"}


def summary(data: ReportData) -> Html:
    """Name of the model, verdict, reason and key figures."""
    return join(
        tag("p", "nc_trainer report", class_="eyebrow"),
        tag("h1", data.model.name),
        tag("p", headline(data), class_="headline"),
        tag("p", tag("span", BADGES[data.outcome], class_=f"badge {data.outcome}"), " ", data.reason, "."),
        tag("dl", [_figure(*figure) for figure in _figures(data)], class_="figures"),
    )


def headline(data: ReportData) -> str:
    """The outcome in one line."""
    before, after = data.baseline.value, data.chosen_trial.value
    if data.outcome == "baseline":
        return "The model stays in float: no trial could be evaluated."
    said = [f"{data.metric.name} {metric_value(after)} instead of {metric_value(before)}"]
    if data.model.float_bytes:
        said.append(f"{share(data.model.chosen_bytes / data.model.float_bytes)} of the size")
    speed = data.speed.comparisons.get(data.chosen)
    if speed and speed.verdict != "within noise":
        said.append(f"{times(speed.ratio)} as fast")
    kept = "keeps" if data.outcome == "met" else "does not keep"
    return f"In int8 the model {kept} the accuracy that was asked for: {', '.join(said)}."


def _figures(data: ReportData) -> list[tuple[str, str, str]]:
    """Name, figure, and what to compare it with."""
    chosen, model = data.chosen_trial, data.model
    change = signed(chosen.value - data.baseline.value)
    compared = f"float {metric_value(data.baseline.value)}, change {change}"
    figures = [(data.metric.name, metric_value(chosen.value), compared)]
    if chosen.flips is not None and chosen is not data.baseline:
        split = "" if chosen.better is None else f", {chosen.better} better, {chosen.worse} worse"
        figures.append(("flipped predictions", str(chosen.flips), f"of {count(chosen.rows or 0, 'row')}{split}"))
    speed = data.speed.comparisons.get(data.chosen)
    if speed is not None:
        interval = f"95 % interval {speed.low:.2f} to {speed.high:.2f}"
        figures.append(("speed against float", times(speed.ratio), interval))
    figures.append(("size", megabytes(model.chosen_bytes), f"float {megabytes(model.float_bytes)}"))
    return figures


def _figure(name: str, value: str, note: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", value, class_="value"), tag("dd", note, class_="note"))
