"""The model card of an int8 model: README.md beside it."""

from dataclasses import dataclass
from html import escape
from typing import Any

from huggingface_hub import ModelCardData

from nc_trainer.report.page.number_format import count, megabytes, metric_value, share, signed, times
from nc_trainer.report.page.sections.recipe import PRECISIONS
from nc_trainer.report.report_data import ReportData
from nc_trainer.search.statistics.flips import tolerance_in_words

BEGIN, END = "<!-- nc_trainer card: begin -->", "<!-- nc_trainer card: end -->"
"""What stands between these is written again each time; the rest of the file is its author's."""
PIPELINES = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
}
SHOWN_FALLBACKS = 20
LOADED_AS_ABOVE = "As above, after `import nc_trainer`."


@dataclass(frozen=True)
class CardFacts:
    """What Trainer's `create_model_card` is told, under its names; only used in a card that is new."""

    language: str | None = None
    license: str | None = None
    tags: str | list[str] | None = None
    model_name: str | None = None
    finetuned_from: str | None = None
    tasks: str | list[str] | None = None
    dataset_tags: str | list[str] | None = None
    dataset: str | list[str] | None = None
    dataset_args: str | list[str] | None = None


def model_card(data: ReportData, facts: CardFacts, plots: tuple[str, ...] = ()) -> str:
    """A whole card: metadata for the hub, and the block of `card_block`."""
    return f"---\n{_metadata(data, facts)}\n---\n\n{card_block(data, facts, plots)}\n"


def card_block(
    data: ReportData, facts: CardFacts, plots: tuple[str, ...] = (), is_of_another_library: bool = False
) -> str:
    """What the card says, between its marks.

    Args:
        plots: names of picture files beside it.
        is_of_another_library: whether the block stands in a card that says itself how the model is loaded.
    """
    name = facts.model_name or data.model.name
    parts = [
        BEGIN,
        f"# {_text(name)} in int8",
        _what_it_is(data),
        _numbers(data),
        f"Outcome: {data.outcome} ({_text(data.reason)})."
        + "".join(f"\n\nNote: {_text(one)}" for one in data.warnings),
        *(f"![{plot.removesuffix('.png').replace('_', ' ')}]({plot})" for plot in plots),
        "## How to load it",
        LOADED_AS_ABOVE if is_of_another_library else _loading(name),
        "## What computes how",
        _recipe(data),
        _where(data),
        END,
    ]
    return "\n\n".join(parts)


def card_of_another_library(card: str, data: ReportData, facts: CardFacts, plots: tuple[str, ...] = ()) -> str:
    """A card that another library, e.g. sentence-transformers, has written, with our block in it."""
    block = card_block(data, facts, plots, is_of_another_library=True)
    return updated_card(card, block) or f"{card.rstrip()}\n\n{block}\n"


def updated_card(existing: str, block: str) -> str | None:
    """A card with its block in place of the old one; None if it has none, being written by somebody else."""
    before, begin, rest = existing.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{block}{after}" if begin and end else None


def _metadata(data: ReportData, facts: CardFacts) -> str:
    pipeline = next((task for ending, task in PIPELINES.items() if data.model.architecture.endswith(ending)), None)
    tags = _listed(facts.tags)
    base = data.model.base or facts.finetuned_from
    known: dict[str, Any] = {
        "language": facts.language,
        "license": facts.license,
        "library_name": "transformers",
        "pipeline_tag": pipeline,
        "base_model": base,
        "base_model_relation": "quantized" if base else None,
        "datasets": _listed(facts.dataset_tags) or None,
        "metrics": [data.metric.name] if data.metric.name.isidentifier() else None,
        "tags": [*tags, *(tag for tag in ("int8", "quantized", "nc_trainer") if tag not in tags)],
    }
    return ModelCardData(**{key: value for key, value in known.items() if value is not None}).to_yaml().strip()


def _what_it_is(data: ReportData) -> str:
    origin = f"`{data.model.base}`" if data.model.base else "a float model"
    layers = f"{len(data.chosen_trial.recipe.quantized)} of {count(len(data.modules), 'module')}"
    return f"A `{data.model.architecture}` made from {origin} with nc_trainer: {layers} compute in int8 on the CPU."


def _numbers(data: ReportData) -> str:
    chosen, baseline, model = data.chosen_trial, data.baseline, data.model
    rows = [("", "float", "int8"), ("---", "---:", "---:")]
    rows.append((data.metric.name, metric_value(baseline.value), metric_value(chosen.value)))
    rows.append(("change", "", signed(chosen.value - baseline.value)))
    if chosen.flips is not None:
        split = "" if chosen.better is None else f" ({chosen.better} better, {chosen.worse} worse)"
        beyond = "" if chosen.flip_tolerance is None else f" by more than {tolerance_in_words(chosen.flip_tolerance)}"
        rows.append((f"answers that changed{beyond}", "", f"{chosen.flips} of {chosen.rows}{split}"))
    speed = data.speed.comparisons.get(data.chosen)
    if speed is not None:
        rows.append(("speed", "1×", f"{times(speed.ratio)} (95 % interval {speed.low:.2f} to {speed.high:.2f})"))
    rows.append(("size", megabytes(model.float_bytes), megabytes(model.chosen_bytes)))
    return "\n".join("| " + " | ".join(_text(cell) for cell in row) + " |" for row in rows)


def _loading(name: str) -> str:
    return (
        "```python\nfrom nc_trainer import OptimizedModel\nfrom transformers import AutoTokenizer\n\n"
        f'path = "{name}"  # this directory, or where it is on the hub\n'
        "tokenizer = AutoTokenizer.from_pretrained(path)\nmodel = OptimizedModel.from_pretrained(path)\n```\n\n"
        "After `import nc_trainer`, the `AutoModel` classes of transformers load it as well."
    )


def _recipe(data: ReportData) -> str:
    recipe = data.chosen_trial.recipe
    kinds = list(recipe.modules.values())
    lines = [f"- {kinds.count(kind)} modules: {said}" for kind, said in PRECISIONS.items() if kind in kinds]
    if recipe.fallbacks:
        names = ", ".join(f"`{name}`" for name in data.counted(recipe.fallbacks[:SHOWN_FALLBACKS]))
        more = len(recipe.fallbacks) - SHOWN_FALLBACKS
        lines.append(f"- in float: {names}" + (f" and {more} more" if more > 0 else ""))
    if recipe.float_columns:
        names = ", ".join(f"`{name}` ({len(columns)})" for name, columns in recipe.float_columns.items())
        lines.append(f"- with a few input columns in float: {names}")
    lines.append(f"- everything else: {recipe.float_dtype}")
    lines.append(f"- {share(data.int8_share(data.chosen_trial))} of the weights of these modules are int8")
    return "\n".join(lines)


def _where(data: ReportData) -> str:
    machine = data.machine
    timed = "Searched and timed" if data.speed.comparisons else "Searched"
    batches = f", batches of {count(data.speed.batch_size, 'row')}" if data.speed.batch_size else ""
    return (
        f"{timed} on {_text(machine.cpu)}, {count(machine.threads, 'thread')}{batches}; torch {machine.torch}, "
        f"transformers {machine.transformers}, nc_trainer {machine.nc_trainer}. Details are in `report.html`."
    )


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _text(value: str) -> str:
    """Text that can neither end a table's cell nor be taken for markup."""
    return escape(value, quote=False).replace("|", "\\|").replace("\n", " ")
