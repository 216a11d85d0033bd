"""A report as CSV: a line per model, for a spreadsheet."""

import csv
import io
from dataclasses import asdict
from typing import Any

from nc_trainer.benchmark.measurements import Measurements
from nc_trainer.benchmark.model_timing import SUMMARY, ModelTiming

TIMING = ("name", "batch_size", "samples", "instances", "metric_name", "metric_value", "file_size_mb")
FOOTPRINT = ("imported_mb", "loaded_mb", "peak_mb", "load_s_median")
COMPARISON = ("baseline", "ratio", "low", "high", "verdict", "rounds", "effective_rounds")
CONDITIONS = ("started", "load_start", "load_end", "others")


def to_csv(report: Measurements) -> str:
    """Header and one line per model: its summary, its comparison with the first, workload, settings and machine.

    What is not known is empty; units are in the names of the columns, as in the JSON.
    """
    rows = [_row(report, timing) for timing in report.models]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(report: Measurements, timing: ModelTiming) -> dict[str, Any]:
    comparison = next((one for one in report.comparisons if one.candidate == timing.name), None)
    return {
        **_values(timing, (*TIMING, *SUMMARY)),
        **_values(timing.footprint, FOOTPRINT),
        **_values(comparison, COMPARISON),
        **_prefixed("workload", asdict(report.workload)),
        **_prefixed("settings", asdict(report.settings)),
        **_prefixed("conditions", _values(report.conditions, CONDITIONS)),
        **_prefixed("machine", asdict(report.machine)),
    }


def _values(item: object | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: None if item is None else getattr(item, name) for name in names}


def _prefixed(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return " ".join(f"{key}={inner}" for key, inner in value.items())
    return " ".join(str(_plain(inner)) for inner in value) if isinstance(value, tuple) else value
