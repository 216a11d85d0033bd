"""The network as a grid: what each module alone does to the logits in int8, and what stays in float."""

import math

from nc_trainer.config.recipe import Precision
from nc_trainer.report.page.grid import Grid, grids
from nc_trainer.report.page.html import Html, join, scrolling, tag, void
from nc_trainer.report.report_data import ReportData

LEVELS = 7
DECADES = 5
"""Damage less than the largest by so many powers of ten has the lightest colour."""


def sensitivity(data: ReportData) -> Html | None:
    """One table for each stack of layers, and one for the modules outside."""
    found, others = grids(data.modules)
    tables = [_table(data, grid) for grid in found]
    if others:
        tables.append(_list(data, others))
    return join(tag("p", _explained(data), class_="muted"), _legend(data), tables)


def _explained(data: ReportData) -> Html:
    damage = data.sensitivity.damage
    if damage is None:
        why = data.sensitivity.note or "No ranking of the modules was computed."
        key = tag("code", "tuning.report.ranking: true")
        return join(why, " The grid shows what computes in int8; ", key, " ranks the modules for it.")
    return join(
        "Squared error of the logits when one module alone is int8 and everything else is float, as a share of the "
        "largest. Colours go by powers of ten. It says which modules int8 hurts, not by how much the metric falls."
    )


def _legend(data: ReportData) -> Html:
    scale = [tag("span", class_=f"swatch d{level}", aria_hidden="true") for level in range(LEVELS + 1)]
    items = [tag("li", "less damage ", scale, " more")] if data.sensitivity.damage else []
    items.append(tag("li", tag("span", class_="swatch fallback", aria_hidden="true"), " outlined: stays in float"))
    return tag("ul", items, class_="legend")


def _table(data: ReportData, grid: Grid) -> Html:
    caption = f"Layers of {grid.stack}"
    titles = [tag("th", _breakable(kind), scope="col") for kind in grid.kinds]
    head = tag("tr", tag("th", "layer", scope="col"), titles)
    body = [
        tag(
            "tr",
            tag("th", ".".join(map(str, layer)), scope="row"),
            [_cell(data, row.get(kind)) for kind in grid.kinds],
        )
        for layer, row in grid.rows.items()
    ]
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body), class_="grid")
    return scrolling(caption, whole)


def _list(data: ReportData, names: list[str]) -> Html:
    caption = "Modules outside of the layers"
    title = "damage" if data.sensitivity.damage else "computes in"
    head = tag("tr", tag("th", "module", scope="col"), tag("th", title, scope="col"))
    body = [tag("tr", tag("th", tag("code", name), scope="row"), _cell(data, name)) for name in names]
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body), class_="grid")
    return scrolling(caption, whole)


def _cell(data: ReportData, name: str | None) -> Html:
    if name is None:
        return tag("td")
    precision = data.chosen_trial.recipe.modules[name]
    falls_back = precision is Precision.FLOAT and data.chosen != 0
    kinds = ["fallback"] if falls_back else []
    damage = None if data.sensitivity.damage is None else data.sensitivity.damage.get(name)
    if damage is None:
        return tag("td", "float" if precision is Precision.FLOAT else "int8", class_=" ".join(kinds) or None)
    relative = _relative(damage, data)
    kinds.append(f"d{_level(relative)}")
    marked = tag("small", "float") if falls_back else None
    return tag("td", _percent(relative), marked, class_=" ".join(kinds), title=f"{name}: {damage:.3g}")


def _relative(damage: float, data: ReportData) -> float:
    """The share of the largest finite damage; infinite damage stays infinite."""
    finite = [value for value in (data.sensitivity.damage or {}).values() if math.isfinite(value)]
    largest = max(finite, default=0.0)
    return damage / largest if largest and math.isfinite(damage) else damage


def _level(relative: float) -> int:
    if relative <= 0:
        return 0
    decades = math.log10(relative) if math.isfinite(relative) else 0.0
    return max(0, min(LEVELS, round((1 + decades / DECADES) * LEVELS)))


def _percent(relative: float) -> str:
    """Two digits that count."""
    percent = 100 * relative
    if not math.isfinite(percent):
        return "∞"
    if percent == 0 or percent >= 0.01:
        return f"{percent:.2g} %" if percent < 10 else f"{percent:.0f} %"
    return "<0.01 %"


def _breakable(kind: str) -> Html:
    """A dotted name that may be broken after its dots."""
    return join([[part, ".", void("wbr")] for part in kind.split(".")[:-1]], kind.split(".")[-1])
