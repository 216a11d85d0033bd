"""Drawing: heights in pixels and widths in percent, so that a picture is as wide as the page and its text is not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nc_trainer.report.page.html import Html, join, tag

LEFT, RIGHT = 14.0, 96.0
"""Where data begin and end, in percent of the width; labels of the vertical axis stand before."""
LINE_HEIGHT = 14


@dataclass(frozen=True)
class Scale:
    """From values in [low, high] to places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values in the range, 1, 2 or 5 times a power of ten apart, about so many."""
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def decimals(self, about: int = 5) -> int:
        """How many decimals tell the ticks apart."""
        return max(0, -math.floor(math.log10(_round_step((self.high - self.low) / about)) + 1e-9))


def spanning(values: Sequence[float], start: float, end: float, margin: float = 0.08) -> Scale:
    """The scale on which all values lie, with some room on both sides."""
    low, high = min(values), max(values)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return Scale(low - room, high + room, start, end)


def _round_step(raw: float) -> float:
    power = 10 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if raw <= factor * power * (1 + 1e-9))


def picture(identifier: str, title: str, description: str, height: int, *content: object) -> Html:
    """An SVG that says what it is."""
    return tag(
        "svg",
        tag("title", title, id=f"{identifier}-name"),
        tag("desc", description, id=f"{identifier}-description"),
        *content,
        xmlns="http://www.w3.org/2000/svg",
        width="100%",
        height=height,
        role="img",
        aria_labelledby=f"{identifier}-name {identifier}-description",
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    """A line of a class; x in percent, y in pixels."""
    return tag("line", x1=f"{x1:.2f}%", y1=f"{y1:.1f}", x2=f"{x2:.2f}%", y2=f"{y2:.1f}", class_=kind)


def label(x: float, y: float, text: str, kind: str = "tick", anchor: str = "start") -> Html:
    """Text of a class; `anchor` is start, middle or end."""
    return tag("text", text, x=f"{x:.2f}%", y=f"{y:.1f}", class_=kind, text_anchor=anchor)


def mark(x: float, y: float, kind: str, *content: object) -> Html:
    """Shapes whose own coordinates are pixels from this point."""
    return tag("svg", *content, x=f"{x:.2f}%", y=f"{y:.1f}", class_=kind, overflow="visible")


def horizontal_grid(scale: Scale, taken: float) -> Html:
    """A line for each tick of a vertical scale, its value standing on it unless that would meet text at `taken`."""
    decimals = scale.decimals()
    lines = [line(0, scale(tick), 100, scale(tick), "grid") for tick in scale.ticks()]
    free = [tick for tick in scale.ticks() if abs(scale(tick) - 4 - taken) > LINE_HEIGHT]
    return join(lines, [label(0, scale(tick) - 4, f"{tick:.{decimals}f}") for tick in free])


def horizontal_axis(scale: Scale, y: float, title: str, unit: str = "", about: int = 5) -> Html:
    """Ticks of a horizontal scale below `y`, and what it shows."""
    decimals = scale.decimals(about)
    ticks = [
        [
            line(scale(tick), y, scale(tick), y + 5, "axis"),
            label(scale(tick), y + 19, _tick(tick, decimals, unit), anchor="middle"),
        ]
        for tick in scale.ticks(about)
    ]
    return join(line(0, y, 100, y, "axis"), ticks, label(100, y + 38, title, anchor="end"))


def _tick(value: float, decimals: int, unit: str) -> str:
    return f"{value:.{decimals}f}{unit}"
