"""Draws what compare.py measured: changed predictions against speed, a panel for each batch size, as plain SVG.

python draw.py minilm_sst2_epyc_zen4.json      # writes minilm_sst2_epyc_zen4.svg beside it
"""

import argparse
import json
import math
from html import escape
from pathlib import Path
from typing import Any

COLORS = ["#57606a", "#0969da", "#bc4c00", "#8250df", "#1a7f37", "#bf3989", "#9a6700", "#cf222e"]
RING = 'fill="none" stroke-width="2.5"'  # an open circle: a point behind another is still seen
WIDTH, PANEL_HEIGHT, LEGEND_LINE = 860, 300, 22
LEFT, TOP, GAP, PLOT_HEIGHT = 60, 66, 60, 174


def text(x: float, y: float, words: str, anchor: str = "start", color: str = "#1f2328", more: str = "") -> str:
    """One line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}"{more}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, color: str, width: float = 1) -> str:
    """One straight line."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{color}" stroke-width="{width}"/>'


def step_of(top: float) -> int:
    """The distance of an axis's ticks: 1, 2 or 5 times a power of ten, so that at most six fit below `top`."""
    sizes = (digit * 10**power for power in range(12) for digit in (1, 2, 5))
    return next(size for size in sizes if top / size <= 6)


def speeds_of(latency: dict[str, Any]) -> dict[str, tuple[float, float, float]]:
    """How many times as fast as the first model each is, with its interval, by name: (ratio, low, high)."""
    first = latency["models"][0]["name"]
    pairs = [pair for pair in latency["comparisons"] if pair["baseline"] == first]
    return {first: (1.0, 1.0, 1.0)} | {pair["candidate"]: (pair["ratio"], pair["low"], pair["high"]) for pair in pairs}


def panel(measured: dict[str, Any], batch: str, left: float, width: float, last_x: float, last_y: float) -> list[str]:
    """The axes and the points of one batch size; both axes end where those of the other panels do."""
    bottom = TOP + PLOT_HEIGHT

    def across(value: float) -> float:
        return left + width * value / last_x

    def up(value: float) -> float:
        return bottom - PLOT_HEIGHT * value / last_y

    parts = [text(left + width / 2, TOP - 18, f"batch {batch}", "middle", more=' font-weight="bold"')]
    for tick in range(0, int(last_y) + 1, step_of(last_y)):
        parts.append(line(left, up(tick), left + width, up(tick), "#d0d7de"))
        parts.append(text(left - 8, up(tick) + 4, str(tick), "end", "#57606a"))
    for tick in range(0, int(last_x) + 1, step_of(last_x)):
        parts.append(line(across(tick), bottom, across(tick), bottom + 5, "#57606a"))
        parts.append(text(across(tick), bottom + 19, f"{tick}x", "middle", "#57606a"))
    first = measured["rows"][0]["name"]
    parts.append(text(left + width / 2, bottom + 38, f"times as fast as {first}", "middle", "#57606a"))
    speeds = speeds_of(measured["latency"][batch])
    for row, color in zip(measured["rows"], COLORS, strict=False):
        ratio, low, high = speeds[row["name"]]
        y = up(row["flips"])
        parts.append(line(across(low), y, across(high), y, color, 2))
        parts += [line(across(end), y - 8, across(end), y + 8, color, 2) for end in (low, high)]
        parts.append(f'<circle cx="{across(ratio):.1f}" cy="{y:.1f}" r="5" {RING} stroke="{color}"/>')
    return parts


def legend(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each model: its color, name, metric and changed predictions."""
    parts = []
    for number, (row, color) in enumerate(zip(rows, COLORS, strict=False)):
        y = PANEL_HEIGHT + LEGEND_LINE * (number + 0.5)
        parts.append(f'<circle cx="{LEFT + 6}" cy="{y - 4:.1f}" r="5" {RING} stroke="{color}"/>')
        parts.append(text(LEFT + 20, y, row["name"]))
        parts.append(text(LEFT + 280, y, f"metric {row['metric']:.4f}"))
        parts.append(text(LEFT + 420, y, f"{row['flips']} of {row['rows']} predictions changed"))
    return parts


def draw(measured: dict[str, Any]) -> str:
    """The SVG of what compare.py wrote.

    Raises:
        ValueError: there are more models than colors.
    """
    rows, latency = measured["rows"], measured["latency"]
    if len(rows) > len(COLORS):
        raise ValueError(f"{len(rows)} models, and colors for {len(COLORS)}: leave some out or add to COLORS")
    last_x = math.ceil(max(high for one in latency.values() for _, _, high in speeds_of(one).values()))
    most = max(max(row["flips"] for row in rows), 1)
    last_y = step_of(most) * math.ceil(most / step_of(most))
    width = (WIDTH - LEFT - GAP * (len(latency) - 1) - 30) / len(latency)
    parts = [text(LEFT - 44, 18, "changed predictions (right and low is better)", color="#57606a")]
    for number, batch in enumerate(latency):
        parts += panel(measured, batch, LEFT + number * (width + GAP), width, last_x, last_y)
    one = next(iter(latency.values()))
    height = PANEL_HEIGHT + LEGEND_LINE * (len(rows) + 1) + 10
    cpu, threads, confidence = one["machine"]["cpu"], one["machine"]["threads"], one["settings"]["confidence"]
    about = f"{cpu}, {threads} threads; bars: {confidence:.0%}"
    parts += [*legend(rows), text(LEFT, height - 12, f"{about} intervals of the speed", color="#57606a")]
    frame = f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6" fill="#ffffff" stroke="#d0d7de"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
    return "\n".join([head + 'font-family="sans-serif" font-size="13">', frame, *parts, "</svg>"]) + "\n"


def main() -> None:
    """Writes the picture beside the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurement", type=Path, help="the JSON that compare.py wrote")
    measurement = parser.parse_args().measurement
    measurement.with_suffix(".svg").write_text(draw(json.loads(measurement.read_text())))


if __name__ == "__main__":
    main()
