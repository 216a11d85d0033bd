"""Writes docs/reference/: `python docs/generate_reference.py`. A test fails when a page is not what this writes.

Every table comes from what the code holds: a setting's `help` and rule, an option's `help`, a parser's actions, and
the `Attributes:` of a docstring. A description that is missing is an error, not an empty cell.
"""

import argparse
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from nc_trainer import QuantizationResult, QuantizationTrainingArguments, Recipe
from nc_trainer.benchmark import BenchmarkReport
from nc_trainer.benchmark.model_timing import ModelTiming
from nc_trainer.benchmark.statistics import Comparison
from nc_trainer.cli import make_parser
from nc_trainer.config import TuningConfig
from nc_trainer.config.legacy import UNSUPPORTED_KEYS, UNSUPPORTED_VALUES
from nc_trainer.config.section import Section, section_of
from nc_trainer.explain import Explanations
from nc_trainer.recipe import FusedActivation, Precision
from nc_trainer.tuning import Metric, StudyResult, Trial

FOLDER = Path(__file__).parent / "reference"
OBJECTS = (
    *(QuantizationResult, StudyResult, Trial, Metric, Recipe, Precision, FusedActivation),
    *(BenchmarkReport, ModelTiming, Comparison, Explanations),
)
OWN_LINE = re.compile(r" {4}(\w+(?:, \w+)*): (.*)")


def settings_page() -> str:
    """Every key of the YAML file."""
    refused = [(f"`{key}`", reason) for key, reason in UNSUPPORTED_KEYS.items()]
    values = [
        (f"`{key}`", ", ".join(f"`{value}`" for value in known), advice)
        for key, (known, advice) in UNSUPPORTED_VALUES.items()
    ]
    return _page(
        "All settings",
        "Every key of a tuning configuration, with what it may hold. [Settings](../yaml.md) explains them, with "
        "examples; in Python each section is a frozen dataclass of `nc_trainer.config`.",
        *_sections(TuningConfig),
        "## Known from Neural Compressor, and refused\n\nEach is an error that says why.",
        _table(("key", "why"), refused),
        _table(("key", "values", "instead"), values),
    )


def options_page() -> str:
    """What `QuantizationTrainingArguments` adds."""
    kind = QuantizationTrainingArguments
    held = {item.name: item for item in fields(kind)}
    own = inspect.get_annotations(kind)  # HfArgumentParser writes the types that it has understood into the fields
    rows = [
        (f"`--{name}`", _type(own[name]), _default_or_nothing(held[name]), held[name].metadata["help"]) for name in own
    ]
    return _page(
        "All options",
        f"What `{kind.__name__}` has beside everything in `TrainingArguments`; `HfArgumentParser` makes the "
        "options of a script from it, as [run_glue_tune.py](../../examples/text-classification/README.md) does. In "
        "Python they are its arguments, without the dashes.",
        _table(("option", "type", "default", "meaning"), rows),
    )


def command_page() -> str:
    """The options of `nc-trainer`."""
    parser = make_parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help for choice in commands._choices_actions}
    parts = [
        f"## {parser.prog} {name}\n\n{_described(helps[name], name)}\n\n{_actions(command)}"
        for name, command in commands.choices.items()
    ]
    return _page(
        f"The command {parser.prog}",
        "Quantizes and benchmarks without a script of your own. It ends with 0, with 1 where the criterion was not "
        "met, with 2 after a mistake in the options or the data.",
        *parts,
    )


def objects_page() -> str:
    """What a search returns, and what its parts hold."""
    return _page(
        "Objects",
        "What `quantize()` and `benchmark()` return, and what it consists of. All are frozen; `to_dict()` gives plain "
        "values. How a recipe stands in `config.json`: [the int8 directory](../format.md).",
        *map(_object, OBJECTS),
    )


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "options.md": options_page,
    "command.md": command_page,
    "objects.md": objects_page,
}


def _sections(kind: type[Section]) -> Iterator[str]:
    """A heading and a table for each section that has keys of its own, depth first."""
    own = [
        (f"`{item.name}`", item.metadata["rule"].expected, _yaml(item.default), item.metadata["help"])
        for item in fields(kind)
        if section_of(item) is None
    ]
    if own:
        title = f"`{kind.place}`" if kind.place else "Top level"
        yield f"## {title}\n\n{_introduction(kind)}\n\n{_table(('key', 'value', 'default', 'meaning'), own)}"
    for item in fields(kind):
        inner = section_of(item)
        if inner is not None:
            yield from _sections(inner)


def _object(kind: type) -> str:
    rows = _values(kind) if issubclass(kind, Enum) else _fields(kind)
    header = ("name", "value", "meaning") if issubclass(kind, Enum) else ("attribute", "type", "default", "meaning")
    parts = [f"## {kind.__name__}", _introduction(kind), _table(header, rows)]
    computed = _computed(kind)
    return "\n\n".join([*parts, _table(("computed", "meaning"), computed)] if computed else parts)


def _values(kind: type[Enum]) -> list[tuple[str, ...]]:
    texts = _attributes(kind)
    return [(f"`{item.name}`", f"`{item.value}`", _described(texts.get(item.name), item.name)) for item in kind]


def _fields(kind: type) -> list[tuple[str, ...]]:
    texts = _attributes(kind)
    return [
        (f"`{item.name}`", _type(item.type), _default_or_nothing(item), _described(texts.get(item.name), item.name))
        for item in fields(kind)
    ]


def _computed(kind: type) -> list[tuple[str, str]]:
    """Public properties and methods with the first paragraph of what they say of themselves."""
    members = [
        (name, value) for name, value in vars(kind).items() if not name.startswith("_") and inspect.getdoc(value)
    ]
    return [
        (f"`{name}`" if isinstance(value, property) else f"`{name}()`", _first_paragraph(inspect.getdoc(value)))
        for name, value in members
        if isinstance(value, (property, classmethod)) or inspect.isfunction(value)
    ]


def _attributes(kind: type) -> dict[str, str]:
    """The descriptions in the section `Attributes:` of a docstring, by name."""
    section = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        start = OWN_LINE.fullmatch(line)
        names = start[1].split(", ") if start else names
        for name in names:
            found[name] = f"{found.get(name, '')} {start[2] if start else line.strip()}".strip()
    return found


def _actions(parser: argparse.ArgumentParser) -> str:
    rows = [
        (f"`{', '.join(action.option_strings) or action.dest}`", _given(action), _described(action.help, action.dest))
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    return _table(("argument", "default", "meaning"), rows)


def _given(action: argparse.Action) -> str:
    """What an argument is when it is not given."""
    if action.default is None:
        return "required" if action.required and action.nargs != "*" else ""
    return _python(action.default)


def _introduction(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\nAttributes:")[0].replace("\n    ", "\n")


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").partition("\n\n")[0].split())


def _described(text: str | None, name: str) -> str:
    """The text as a sentence."""
    if not text:
        raise ValueError(f"`{name}` has no description: give it a `help`, or a line under `Attributes:`.")
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _default_or_nothing(item: Field[Any]) -> str:
    if item.default_factory is not MISSING:
        return _python(item.default_factory())
    return "" if item.default is MISSING else _python(item.default)


def _yaml(value: object) -> str:
    return "`null`" if value is None else f"`{str(value).lower()}`"


def _python(value: object) -> str:
    return f"`{value}`" if isinstance(value, Path) else f"`{value!r}`"


def _type(annotation: object) -> str:
    """Without the modules of names, and `str or None` for `str | None`: a bar would end a table's cell."""
    text = inspect.formatannotation(annotation)
    return f"`{re.sub(r'(?:[A-Za-z_]+[.])+(?=[A-Za-z])', '', text).replace(' | ', ' or ')}`"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('%%', '%') for cell in line)} |" for line in lines)


def _page(title: str, introduction: str, *parts: str) -> str:
    note = "<!-- Written by docs/generate_reference.py; do not edit. -->"
    return "\n\n".join((f"# {title}", note, introduction, *parts)) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
