"""What else went on while the models were timed: when, under which load."""

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from nc_trainer.benchmark.machine import available_processors

STAT = Path("/proc/stat")
IDLE_FIELDS = (3, 4)
"""Of a line of /proc/stat, after the name: idle, and waiting for a disk."""
COUNTED_FIELDS = 8
"""From user to steal; the guest times that follow are in user already. Stolen time is another machine's."""
BUSY_SHARE = 0.05
"""Of the processors: above this, other programs were in the way."""


@dataclass(frozen=True)
class Conditions:
    """What the machine was doing besides, over the time from the first warm-up to the last round.

    `started` is UTC in ISO 8601. `load_start` and `load_end` are the system's load averages over one minute, in which
    this process counts too. `others` is how many of the `processors` that may be used other programs kept busy, on
    average. What the system does not tell is None.
    """

    started: str
    load_start: float | None
    load_end: float | None
    others: float | None
    processors: int

    @property
    def busy(self) -> bool:
        """Whether other programs took more than BUSY_SHARE of the processors."""
        return self.others is not None and self.others > BUSY_SHARE * self.processors


class ConditionsRecorder:
    """Notes the conditions from when it is made until `conditions` is called."""

    def __init__(self) -> None:
        self._started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._load = _load_average()
        self._before = _readings()

    def conditions(self) -> Conditions:
        """What was noted. Child processes count as ours once they have been waited for."""
        processors = len(available_processors()) or os.cpu_count() or 1
        others = _others(self._before, _readings())
        return Conditions(self._started, self._load, _load_average(), others, processors)


def busy_seconds(text: str, processors: frozenset[int], ticks: int) -> float | None:
    """Time that `processors` were not idle since the system started, from the text of /proc/stat.

    None where it does not list them, or counts nothing, as in some sandboxes.
    """
    lines = [line.split() for line in text.splitlines() if line.startswith("cpu")]
    counts = [
        list(map(int, fields[1:])) for fields in lines if fields[0][3:].isdigit() and int(fields[0][3:]) in processors
    ]
    if len(counts) < len(processors) or not any(map(any, counts)):
        return None
    idle = sum(fields[index] for fields in counts for index in IDLE_FIELDS)
    return (sum(sum(fields[:COUNTED_FIELDS]) for fields in counts) - idle) / ticks


def _readings() -> tuple[float, float, float] | None:
    """Clock, time of ours and of our children, and time of all, in seconds."""
    processors = available_processors()
    if not processors:
        return None
    try:
        everything = busy_seconds(STAT.read_text(encoding="ascii"), processors, os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError):
        return None
    return None if everything is None else (time.monotonic(), sum(os.times()[:4]), everything)


def _others(before: tuple[float, float, float] | None, after: tuple[float, float, float] | None) -> float | None:
    if before is None or after is None or after[0] <= before[0]:
        return None
    seconds, ours, everything = (late - early for early, late in zip(before, after, strict=True))
    return max(0.0, (everything - ours) / seconds)


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
