"""How long batches took, if the model was benchmarked."""

from collections.abc import Sequence

from nc_trainer.benchmark import BenchmarkReport, ModelTiming
from nc_trainer.benchmark.report_text import comparison_text
from nc_trainer.report.page.html import Html, join, table, tag
from nc_trainer.report.page.number_format import count
from nc_trainer.report.page.svg import Scale, horizontal_axis, label, line, picture
from nc_trainer.report.report_data import ReportData

BINS = 48
HEIGHT, BOTTOM, BAR = 150, 104, 64
MARKS = ("median", "p90", "p99")


def latency(data: ReportData) -> Html | None:
    """A histogram for each model over one axis, and the numbers."""
    report = data.benchmark
    if report is None or not report.models:
        return None
    scale = _scale(report.models)
    pictures = [
        tag("figure", tag("figcaption", one.name), _histogram(one, scale, index))
        for index, one in enumerate(report.models)
    ]
    lines = [tag("li", comparison_text(one, report.settings.confidence)) for one in report.comparisons]
    return join(
        tag("p", _how(report), class_="muted"),
        pictures,
        tag("ul", lines) if lines else None,
        _table(report),
        tag("p", f"On {report.machine.cpu}, {count(report.machine.threads, 'thread')}.", class_="muted"),
    )


def _how(report: BenchmarkReport) -> str:
    return (
        f"Duration of a forward pass over one batch, {count(report.settings.iterations, 'round')} in which the models "
        "took turns. A bar is the share of batches; times beyond the right end are counted in the last bar."
    )


def _marks(timing: ModelTiming) -> dict[str, float]:
    values = (timing.latency_ms_median, timing.latency_ms_p90, timing.latency_ms_p99)
    return dict(zip(MARKS, values, strict=True))


def _scale(timings: Sequence[ModelTiming]) -> Scale:
    """From 0 to somewhat more than the slowest model's p99, in milliseconds."""
    return Scale(0.0, 1.08 * max(timing.latency_ms_p99 for timing in timings), 5.0, 97.0)


def _histogram(timing: ModelTiming, scale: Scale, index: int) -> Html:
    counts = [0] * BINS
    for seconds in timing.latencies_s:
        counts[min(BINS - 1, int(seconds * 1e3 / scale.high * BINS))] += 1
    marks = _marks(timing)
    described = ", ".join(f"{name} {value:.2f} ms" for name, value in marks.items())
    return picture(
        f"latency-{index}",
        f"Latency of {timing.name}",
        f"{described}. The same numbers are in the table below.",
        HEIGHT,
        [_bar(number, share / max(counts), scale) for number, share in enumerate(counts) if share],
        [_mark(name, value, scale, place) for place, (name, value) in enumerate(marks.items())],
        horizontal_axis(scale, BOTTOM, "", " ms", about=4),
    )


def _bar(number: int, height: float, scale: Scale) -> Html:
    left, right = (scale(scale.high * edge / BINS) for edge in (number, number + 1))
    return tag(
        "rect",
        x=f"{left:.2f}%",
        width=f"{(right - left) * 0.86:.2f}%",
        y=f"{BOTTOM - BAR * height:.1f}",
        height=f"{BAR * height:.1f}",
        class_="bar",
    )


def _mark(name: str, value: float, scale: Scale, place: int) -> Html:
    """A line with its name at one of three heights, so that names do not meet."""
    x, y = scale(value), 10.0 + 12 * (len(MARKS) - 1 - place)
    anchor = "end" if x > 80 else "start"
    shift = -0.8 if anchor == "end" else 0.8
    return join(line(x, y - 8, x, BOTTOM, f"quantile {name}"), label(x + shift, y, name, "tick", anchor))


def _table(report: BenchmarkReport) -> Html:
    header = ["Model", *(f"{name}, ms" for name in MARKS), "rows per second", "size, MB"]
    rows = [
        [
            one.name,
            *(f"{value:.2f}" for value in _marks(one).values()),
            f"{one.throughput_samples_per_s:.1f}",
            "" if one.file_size_mb is None else f"{one.file_size_mb:.1f}",
        ]
        for one in report.models
    ]
    return table("Latency of a batch", header, rows, numbers=range(1, len(header)))
