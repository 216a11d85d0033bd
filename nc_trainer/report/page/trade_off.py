"""The picture of accuracy against speed: every trial, what is asked for, and the Pareto front."""

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

from nc_trainer.report.page.html import Html, join, tag
from nc_trainer.report.page.number_format import judged_value, metric_value, share, times, trial_name
from nc_trainer.report.page.pareto import pareto_front
from nc_trainer.report.page.svg import (
    LEFT,
    RIGHT,
    Scale,
    horizontal_axis,
    horizontal_grid,
    label,
    line,
    mark,
    picture,
    spanning,
)
from nc_trainer.report.report_data import ReportData
from nc_trainer.search import CompleteTrial, Trial
from nc_trainer.search.trial import complete

HEIGHT, TOP, BOTTOM = 340, 24, 290
BELOW = 14
NEAR = 7.0, 13.0
"""Labels closer than this, in percent of the width and in pixels, would stand on each other."""


@dataclass(frozen=True)
class TradeOff:
    """Places of the trials, and the picture of them.

    Across: how many times as fast as the float model, or the share of weights in int8 where nothing was timed. Up is
    better, whichever direction the metric has.
    """

    data: ReportData

    @property
    def is_timed(self) -> bool:
        """Whether speed was measured."""
        return bool(self.data.speed.comparisons)

    @property
    def axis_title(self) -> str:
        """What is shown from left to right."""
        return "times as fast as the float model" if self.is_timed else "share of the weights in int8"

    @cached_property
    def shown(self) -> list[Trial]:
        """Trials that have a place."""
        return [trial for trial in self.data.trials if self.across(trial) is not None and trial.state != "failed"]

    @cached_property
    def front(self) -> list[CompleteTrial]:
        """Trials that no other beats in both directions, the slowest first."""
        finished = complete(self.shown)
        key = self.data.metric.key
        points = [(self.across(trial) or 0.0, key(trial.value)) for trial in finished]
        return [finished[index] for index in pareto_front(points)]

    def across(self, trial: Trial) -> float | None:
        """Where a trial is from left to right; None if it was not timed and others were."""
        if not self.is_timed:
            return self.data.int8_share(trial)
        speed = self.data.speed.comparisons.get(trial.number)
        return 1.0 if trial.number == 0 else speed.ratio if speed else None

    def draw(self) -> Html:
        """The picture."""
        x, y = self._scales()
        unit = "×" if self.is_timed else ""
        return picture(
            "trade-off",
            f"{self.data.metric.name} against {'speed' if self.is_timed else 'share of int8'}",
            self._description(),
            HEIGHT,
            horizontal_grid(y, y(self.data.threshold) + BELOW),
            self._threshold(y),
            self._steps(x, y),
            horizontal_axis(x, BOTTOM + 8, self.axis_title, unit),
            [self._trial(trial, x, y) for trial in self.shown],
            self._labels(x, y),
        )

    def kind(self, trial: Trial) -> str:
        """Which mark a trial has."""
        if trial.number == self.data.chosen:
            return "chosen"
        if trial.number == 0:
            return "baseline"
        return "pruned" if trial.state == "pruned" else "accepted" if trial.accepted else "refused"

    def _scales(self) -> tuple[Scale, Scale]:
        values = [value for trial in self.shown for value in _ends(trial)]
        if math.isfinite(self.data.threshold):
            values.append(self.data.threshold)
        ends = (BOTTOM, TOP) if self.data.metric.higher_is_better else (TOP, BOTTOM)
        return spanning(self._extent(), LEFT, RIGHT), spanning(values, *ends)

    def _extent(self) -> list[float]:
        known = [self.data.speed.comparisons[trial.number] for trial in self.shown if trial.number and self.is_timed]
        intervals = [end for speed in known for end in (speed.low, speed.high)]
        return [self.across(trial) or 0.0 for trial in self.shown] + intervals

    def _threshold(self, y: Scale) -> Html | None:
        if not math.isfinite(self.data.threshold):
            return None
        place = y(self.data.threshold)
        said = f"asked for: {metric_value(self.data.threshold)}"
        return join(line(0, place, 100, place, "threshold"), label(0, place + BELOW, said, "threshold"))

    def _steps(self, x: Scale, y: Scale) -> Html:
        """Down, then on to the next trial of the front: left of it and below is what one of them beats."""
        places = [(x(self.across(trial) or 0.0), y(trial.value)) for trial in self.front]
        pairs = itertools.pairwise(places)
        return join([[line(a, b, a, d, "front"), line(a, d, c, d, "front")] for (a, b), (c, d) in pairs])

    def _trial(self, trial: Trial, x: Scale, y: Scale) -> Html:
        place = x(self.across(trial) or 0.0)
        said = tag("title", self._said(trial))
        if not isinstance(trial, CompleteTrial):
            low, high = (y(end) for end in _ends(trial))
            shape = tag("path", d=f"M-5 {low - high:.1f}H5M0 {low - high:.1f}V0M-5 0H5")
            return mark(place, high, "mark pruned", said, shape)
        kind = self.kind(trial)
        return join(self._interval(trial, x, y), mark(place, y(trial.value), f"mark {kind}", said, shape_of(kind)))

    def _interval(self, trial: CompleteTrial, x: Scale, y: Scale) -> Html | None:
        speed = self.data.speed.comparisons.get(trial.number)
        if speed is None:
            return None
        return line(x(speed.low), y(trial.value), x(speed.high), y(trial.value), "interval")

    def _labels(self, x: Scale, y: Scale) -> Html:
        """The number of each trial, the most interesting first, as far as there is room."""
        placed: list[tuple[float, float]] = []
        names = []
        for trial in sorted(self.shown, key=lambda one: (one.number != self.data.chosen, one not in self.front)):
            beside = 0.0 if trial.number else -NEAR[0]
            height = y(_ends(trial)[-1])
            place = x(self.across(trial) or 0.0), height
            if all(abs(place[0] + beside - a) > NEAR[0] or abs(height - b) > NEAR[1] for a, b in placed):
                placed.append((place[0] + beside, height))
                names.append(mark(*place, "name", _name(trial)))
        return join(names)

    def _said(self, trial: Trial) -> str:
        where = self.across(trial) or 0.0
        speed = f"{times(where)} as fast" if self.is_timed else f"{share(where)} of the weights in int8"
        return f"Trial {trial_name(trial)}: {self.data.metric.name} {judged_value(trial)}, {speed}"

    def _description(self) -> str:
        names = ", ".join(trial_name(trial) for trial in self.front)
        chosen = trial_name(self.data.chosen_trial)
        return (
            f"{len(self.shown)} trials. Not beaten by any other: {names}. Chosen: {chosen}. "
            "All numbers are in the table below."
        )


def _name(trial: Trial) -> Html:
    """Right of the mark; the float model's, which is long, on the other side."""
    x, anchor = (9, "start") if trial.number else (-9, "end")
    return tag("text", trial_name(trial), x=x, y=-7, text_anchor=anchor)


def shape_of(kind: str) -> Html:
    """The mark of a kind of trial: they differ in shape, not in colour alone."""
    if kind == "baseline":
        return tag("path", d="M0-7L7 0 0 7-7 0Z")
    if kind == "chosen":
        return join(tag("circle", r=5), tag("circle", r=9, class_="ring"))
    return tag("circle", r=5)


def _ends(trial: Trial) -> list[float]:
    """The metric, or the ends of what it could have become."""
    found = (trial.value,) if isinstance(trial, CompleteTrial) else (trial.low, trial.high)
    return [value for value in found if value is not None]
