"""The pictures of the page as PNG files, for model cards and slides; needs matplotlib."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nc_trainer.errors import ConfigError
from nc_trainer.report.page.grid import Grid, grids
from nc_trainer.report.page.number_format import trial_name
from nc_trainer.report.page.trade_off import TradeOff
from nc_trainer.report.report_data import ReportData
from nc_trainer.search import CompleteTrial

ACCENT, INK, MUTED, LINE = "#00676b", "#1b1d1f", "#5a6066", "#dcdfe1"
MARKERS = {"baseline": ("D", INK), "chosen": ("o", ACCENT), "accepted": ("o", ACCENT), "refused": ("o", "white")}


def check_matplotlib() -> None:
    """Raise a ConfigError if pictures cannot be drawn here."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"Plots need the package matplotlib, which cannot be imported ({error}): `pip install nc_trainer[plots]`."
        ) from None


def save_plots(data: ReportData, directory: Path) -> None:
    """Draw what there is to draw, as `PLOTS` in a directory.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    check_matplotlib()
    for name, draw in PLOTS.items():
        figure = draw(data)
        if figure is not None:
            figure.savefig(directory / name, dpi=144)


def _figure(width: float, height: float, rows: int = 1) -> tuple[Any, Any]:
    """Without pyplot, so that neither a window nor the caller's own figures are touched."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    for ax in axes:
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(colors=MUTED, length=0)
    return figure, axes


def _trade_off(data: ReportData) -> Any:
    found = TradeOff(data)
    figure, (ax,) = _figure(7.0, 4.2)
    if math.isfinite(data.threshold):
        ax.axhline(data.threshold, color=INK, linestyle=(0, (5, 4)), linewidth=1, label="asked for")
    for trial in found.shown:
        _draw_trial(ax, found, trial)
    places = [(found.across(trial), trial.value) for trial in found.front]
    across, values = zip(*places, strict=True) if places else ((), ())
    ax.step(across, values, where="pre", color=ACCENT, linewidth=1.2, label="not beaten by any other", zorder=1)
    ax.grid(axis="y", color=LINE)
    ax.set_ylabel(data.metric.name, color=MUTED)
    ax.set_xlabel(found.axis_title, color=MUTED)
    if not data.metric.higher_is_better:
        ax.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small", labelcolor=MUTED)
    return figure


def _draw_trial(ax: Any, found: TradeOff, trial: Any) -> None:
    x, speed = found.across(trial), found.data.speed.comparisons.get(trial.number)
    if not isinstance(trial, CompleteTrial):
        ax.vlines(x, trial.low, trial.high, color=MUTED)
        return
    if speed is not None:
        ax.hlines(trial.value, speed.low, speed.high, color=ACCENT, alpha=0.5)
    kind = found.kind(trial)
    marker, fill = MARKERS[kind]
    edge = INK if fill == "white" else fill
    size = 90 if kind == "chosen" else 36
    ax.scatter([x], [trial.value], s=size, marker=marker, facecolor=fill, edgecolor=edge, zorder=3)
    ax.annotate(
        trial_name(trial), (x, trial.value), xytext=(7, 6), textcoords="offset points", color=INK, fontsize="small"
    )


def _damage(data: ReportData) -> Any:
    stacks, _ = grids(data.modules)
    if not data.sensitivity.damage or not stacks:
        return None
    grid = max(stacks, key=lambda one: len(one.rows))
    figure, (ax,) = _figure(1.6 + 1.1 * len(grid.kinds), 1.6 + 0.32 * len(grid.rows))
    image = ax.imshow(_decades(data, grid), aspect="auto", cmap="GnBu")
    ax.set_xticks(range(len(grid.kinds)), grid.kinds, rotation=30, ha="right")
    ax.set_yticks(range(len(grid.rows)), [".".join(map(str, layer)) for layer in grid.rows])
    ax.set_ylabel(f"layer of {grid.stack}", color=MUTED)
    _outline_fallbacks(ax, data, grid)
    figure.colorbar(image, ax=ax, label="log10 of the squared error of the logits, alone in int8")
    return figure


def _decades(data: ReportData, grid: Grid) -> list[list[float]]:
    damage = data.sensitivity.damage or {}
    values = [[damage.get(row.get(kind, ""), math.nan) for kind in grid.kinds] for row in grid.rows.values()]
    return [[math.log10(value) if 0 < value < math.inf else math.nan for value in row] for row in values]


def _outline_fallbacks(ax: Any, data: ReportData, grid: Grid) -> None:
    from matplotlib.patches import Rectangle

    fallbacks = set(data.chosen_trial.recipe.fallbacks)
    for y, row in enumerate(grid.rows.values()):
        for x, kind in enumerate(grid.kinds):
            if row.get(kind) in fallbacks:
                ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=2))


def _latency(data: ReportData) -> Any:
    if data.benchmark is None or not data.benchmark.models:
        return None
    models = data.benchmark.models
    figure, axes = _figure(7.0, 1.0 + 1.3 * len(models), rows=len(models))
    end = 1.08 * max(model.latency_ms_p99 for model in models)
    for ax, model in zip(axes, models, strict=True):
        ax.hist([1e3 * seconds for seconds in model.latencies_s], bins=48, range=(0, end), color=ACCENT)
        for value, style in (
            (model.latency_ms_median, "-"),
            (model.latency_ms_p90, "--"),
            (model.latency_ms_p99, ":"),
        ):
            ax.axvline(value, color=INK, linewidth=1, linestyle=style)
        ax.set_title(model.name, loc="left", color=INK, fontsize="medium")
        ax.set_yticks([])
    axes[-1].set_xlabel("ms for a batch: median (line), p90 (dashes), p99 (dots)", color=MUTED)
    return figure


PLOTS: dict[str, Callable[[ReportData], Any]] = {
    "accuracy_against_speed.png": _trade_off,
    "damage_by_module.png": _damage,
    "latency.png": _latency,
}
"""File names, and what draws each: a figure, or None where there is nothing to draw."""
