"""The record as Markdown: one table over all workloads, and one for each with intervals and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nc_trainer.benchmark.statistics import Comparison, compare, median, percentile

BROKEN = 0.8
"""Above this error of the logits (see `harness.runner.relative_error`) a peer does not compute the model."""


def markdown(record: Mapping[str, Any]) -> str:
    """The whole report: machine, overview, and a table for each workload."""
    parts = [machine_text(record), overview(record)]
    parts += [workload_text(workload, record["subject"], record["int8_peak_tops"]) for workload in record["workloads"]]
    return "\n\n".join(parts) + "\n"


def machine_text(record: Mapping[str, Any]) -> str:
    machine = record["machine"]
    peak = record["int8_peak_tops"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items() if version)
    allocator = ", ".join(f"{name}={value}" for name, value in machine["allocator"].items()) or "default"
    lines = [
        f"{machine['cpu']}, {' '.join(machine['isa'] or ())}; {machine['threads']} threads; {allocator}.",
        f"{versions}; int8 engine {machine['engine']}.",
        f"int8 peak measured in this run: {peak:.2f} TOPS." if peak else "The int8 peak could not be measured.",
    ]
    return "\n".join(lines)


def overview(record: Mapping[str, Any]) -> str:
    """Median milliseconds of a batch, peers by workloads."""
    workloads = record["workloads"]
    names = list(dict.fromkeys(peer["name"] for workload in workloads for peer in workload["peers"]))
    rows = [[name, *(overview_cell(workload, name) for workload in workloads)] for name in names]
    return "Median milliseconds of a batch:\n\n" + table(["peer", *(one["name"] for one in workloads)], rows)


def overview_cell(workload: Mapping[str, Any], name: str) -> str:
    peer = find(workload, name)
    if peer is None:
        return ""
    return "failed" if peer["failure"] else f"{milliseconds(workload, median(peer['seconds'])):.1f}"


def workload_text(workload: Mapping[str, Any], subject: str, peak: float | None) -> str:
    """The workload's table: each peer's latency, the subject's ratio to it, its share of the peak, its error."""
    header = [
        "peer",
        "median, ms",
        f"p{high_percentile(workload)}, ms",
        f"{subject} is faster by",
        "of int8 peak",
        "error of logits",
    ]
    title = f"### {workload['name']}"
    if "skipped" in workload:
        return f"{title}\n\nNot measured: {workload['skipped']}"
    rows = [row(workload, peer, subject, peak) for peer in workload["peers"]]
    failures = [f"- {peer['name']}: {one_line(peer['failure'])}" for peer in workload["peers"] if peer["failure"]]
    return "\n\n".join(
        filter(None, [f"{title} ({rounds(workload)} rounds)", table(header, rows), "\n".join(failures)])
    )


def row(workload: Mapping[str, Any], peer: Mapping[str, Any], subject: str, peak: float | None) -> list[str]:
    error = "" if peer["error"] is None else f"{peer['error']:.3f}" + " **broken**" * (not peer["error"] <= BROKEN)
    if peer["failure"]:
        return [peer["name"], "failed", "", "", "", error]
    seconds = median(peer["seconds"]), percentile(peer["seconds"], high_percentile(workload))
    middle, high = (milliseconds(workload, value) for value in seconds)
    return [
        peer["name"],
        f"{middle:.2f}",
        f"{high:.2f}",
        ratio_text(against(workload, peer, subject)),
        share_of_peak(workload, peer, peak),
        error,
    ]


def high_percentile(workload: Mapping[str, Any]) -> int:
    """The one in the table: who serves single rows looks at the slowest in a hundred."""
    return 99 if workload.get("served") else 90


def against(workload: Mapping[str, Any], peer: Mapping[str, Any], subject: str) -> Comparison | None:
    """The subject compared with the peer: above 1 the subject is faster. None if there is nothing to compare."""
    measured = find(workload, subject)
    if measured is None or measured is peer or not (measured["seconds"] and peer["seconds"]):
        return None
    return compare(peer["name"], peer["seconds"], subject, measured["seconds"])


def ratio_text(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    return f"{comparison.ratio:.2f} ({comparison.low:.2f}-{comparison.high:.2f})"


def share_of_peak(workload: Mapping[str, Any], peer: Mapping[str, Any], peak: float | None) -> str:
    """The operations of the linear modules alone, over the whole time of the forward pass and the int8 peak.

    Nothing where each batch is a call: the operations are those of all batches.
    """
    if not peak or workload.get("served"):
        return ""
    return f"{workload['linear_operations'] / median(peer['seconds']) / peak / 1e12:.0%}"


def milliseconds(workload: Mapping[str, Any], seconds: float) -> float:
    """The duration of one batch, from that of a pass over the workload's batches."""
    return seconds * 1e3 / workload["batches"]


def rounds(workload: Mapping[str, Any]) -> int:
    return max((len(peer["seconds"]) for peer in workload["peers"]), default=0)


def find(workload: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((peer for peer in workload["peers"] if peer["name"] == name), None)


def one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
