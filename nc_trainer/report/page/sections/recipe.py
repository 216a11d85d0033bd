"""How the chosen model computes."""

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.report.page.html import Html, code_list, definitions
from nc_trainer.report.page.number_format import count, share
from nc_trainer.report.report_data import ReportData

PRECISIONS = {
    Precision.INT8_DYNAMIC: "int8 weights per channel, activations per token",
    Precision.INT8_WEIGHT_ONLY: "int8 weights per row, computed in float",
}
PADDING = {"skip": "rows of masked tokens are not computed", "compute": "computed like any other row"}
ATTENTION = {"native": "nc_trainer's kernels", "model": "the model's own"}


def recipe(data: ReportData) -> Html | None:
    """The chosen recipe in words, and which modules it keeps in float."""
    chosen = data.chosen_trial.recipe
    facts: dict[str, object] = {said: _modules(chosen, precision) for precision, said in PRECISIONS.items()}
    facts |= {
        "share of these weights in int8": share(data.int8_share(data.chosen_trial)),
        "everything else": chosen.float_dtype,
        "attention": ATTENTION[chosen.attention],
        "padding": PADDING[chosen.padding],
        "computed in one call": _fused(chosen),
        "a few input columns in float": code_list(data.counted(tuple(chosen.float_columns))) or None,
        "kept in float": code_list(data.counted(chosen.fallbacks)) or None,
    }
    return definitions(facts)


def _modules(chosen: Recipe, precision: Precision) -> str | None:
    number = sum(value is precision for value in chosen.modules.values())
    return f"{number} of {count(len(chosen.modules), 'module')}" if number else None


def _fused(chosen: Recipe) -> str | None:
    groups, activations = len(chosen.shared_inputs), len(chosen.activations)
    said = [count(groups, "group", "groups") + " of layers with one input"] if groups else []
    said += [count(activations, "activation") + " with the layer before"] if activations else []
    return ", ".join(said) or None
