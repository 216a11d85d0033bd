"""The record as a picture: for each workload, how much faster the subject is than each peer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

from harness.report import against

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLUMNS = 3


def plot(record: Mapping[str, Any], path: Path) -> None:
    """Write a PNG with one panel of horizontal bars for each workload that was measured."""
    workloads = [one for one in record["workloads"] if any(peer["seconds"] for peer in one["peers"])]
    if not workloads:
        return
    count = -(-len(workloads) // COLUMNS)
    figure, axes = plt.subplots(count, COLUMNS, figsize=(5 * COLUMNS, 3.2 * count), squeeze=False, sharex=False)
    for axis, workload in zip(axes.flat, workloads, strict=False):
        panel(axis, workload, record["subject"])
    for axis in list(axes.flat)[len(workloads) :]:
        axis.set_visible(False)
    figure.suptitle(f"{record['subject']}: times faster than each peer; {record['machine']['cpu']}")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def panel(axis: Any, workload: Mapping[str, Any], subject: str) -> None:
    """One bar for each peer, with its interval; the line at 1 is equal speed."""
    found = [against(workload, peer, subject) for peer in workload["peers"]]
    comparisons = [one for one in found if one is not None]
    names = [one.baseline for one in comparisons]
    ratios = [one.ratio for one in comparisons]
    errors = [[one.ratio - one.low for one in comparisons], [one.high - one.ratio for one in comparisons]]
    colors = ["tab:blue" if ratio >= 1 else "tab:orange" for ratio in ratios]
    axis.barh(names, ratios, xerr=[[max(value, 0) for value in side] for side in errors], color=colors, capsize=2)
    axis.axvline(1, color="black", linewidth=0.8)
    axis.invert_yaxis()
    axis.set_title(workload["name"], fontsize=10)
    axis.tick_params(labelsize=8)
