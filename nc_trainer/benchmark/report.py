"""The record of a benchmark: raw latencies and what they depend on; printable, and kept as JSON."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nc_trainer.benchmark.conditions import Conditions
from nc_trainer.benchmark.csv_table import to_csv
from nc_trainer.benchmark.footprint import Footprint
from nc_trainer.benchmark.machine import Machine
from nc_trainer.benchmark.measurements import Measurements, Settings
from nc_trainer.benchmark.model_timing import ModelTiming
from nc_trainer.benchmark.notes import notes
from nc_trainer.benchmark.report_text import report_text
from nc_trainer.benchmark.statistics import Comparison
from nc_trainer.benchmark.workload import Workload
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub.files import write_text_atomically

FORMAT = "nc_trainer benchmark"
VERSION = 2
READABLE = (1, VERSION)


class BenchmarkReport(Measurements):
    """Models timed side by side. `str(report)` is the block to print."""

    @property
    def notes(self) -> list[str]:
        """What weakens the numbers, one sentence each."""
        return notes(self)

    def __str__(self) -> str:
        return report_text(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types. Numbers are as measured, not rounded; units are in the key names."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "models": [timing.to_dict() for timing in self.models],
            "comparisons": [{**asdict(one), "verdict": one.verdict} for one in self.comparisons],
            "workload": asdict(self.workload),
            "machine": asdict(self.machine),
            "settings": asdict(self.settings),
            "conditions": None if self.conditions is None else asdict(self.conditions),
            "notes": self.notes,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "BenchmarkReport":
        """The inverse of `to_dict`; what can be computed from the raw numbers is computed again.

        Raises:
            NCTrainerError: `data` is not a benchmark report of a version this code reads.
        """
        if not isinstance(data, Mapping) or data.get("format") != FORMAT or data.get("version") not in READABLE:
            raise NCTrainerError(f"Not a benchmark report: expected format {FORMAT!r}, version 1 or {VERSION}.")
        try:
            return cls(
                models=tuple(_timing(one) for one in data["models"]),
                comparisons=tuple(_fields(Comparison, one) for one in data["comparisons"]),
                workload=_fields(Workload, data["workload"]),
                machine=_fields(Machine, data["machine"]),
                settings=_fields(Settings, data["settings"]),
                conditions=_fields(Conditions, data["conditions"]) if data.get("conditions") else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise NCTrainerError(f"The benchmark report is incomplete or damaged: {error!r}.") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` to `path` as JSON; to `*.csv` a line per model, without raw latencies."""
        is_csv = Path(path).suffix.lower() == ".csv"
        write_text_atomically(path, to_csv(self) if is_csv else json.dumps(self.to_dict(), indent=2) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "BenchmarkReport":
        """Read what `save` wrote.

        Raises:
            NCTrainerError: the file cannot be read or does not hold a benchmark report.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise NCTrainerError(f"Cannot read a benchmark report from {path}: {error}") from error
        return cls.from_dict(data)


def _timing(data: Mapping[str, Any]) -> ModelTiming:
    footprint = _fields(Footprint, data["footprint"]) if data.get("footprint") else None
    return replace(_fields(ModelTiming, data), footprint=footprint)


def _fields(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """An instance of the dataclass `kind`, with JSON's lists as tuples, ignoring what is not a field."""
    known = {name: value for name, value in values.items() if name in kind.__dataclass_fields__}
    return kind(**{name: _frozen(value) for name, value in known.items()})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
