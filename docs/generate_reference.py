"""Writes docs/reference/: `python docs/generate_reference.py`. A test fails when a page is not what this writes.

Every table comes from what the code holds: a setting's `help` and rule, an option's `help`, a parser's actions, and
the `Attributes:` of a docstring. A description that is missing is an error, not an empty cell.
"""

import argparse
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from reference_markdown import default_or_nothing, described, in_python, in_yaml, page, table, type_of
from reference_objects import introduction, object_section

from nc_trainer import QuantizationResult, QuantizationTrainingArguments, Recipe
from nc_trainer.benchmark import BenchmarkReport
from nc_trainer.benchmark.model_timing import ModelTiming
from nc_trainer.benchmark.statistics import Comparison
from nc_trainer.cli.main import make_parser
from nc_trainer.config import TuningConfig
from nc_trainer.config.recipe import FusedActivation, Precision
from nc_trainer.config.section import Section, section_of
from nc_trainer.config.unsupported_keys import UNSUPPORTED_KEYS, UNSUPPORTED_VALUES
from nc_trainer.explain import Explanations
from nc_trainer.search import Metric, StudyResult, Trial

FOLDER = Path(__file__).parent / "reference"
OBJECTS = (
    *(QuantizationResult, StudyResult, Trial, Metric, Recipe, Precision, FusedActivation),
    *(BenchmarkReport, ModelTiming, Comparison, Explanations),
)


def settings_page() -> str:
    """Every key of the YAML file."""
    refused = [(f"`{key}`", reason) for key, reason in UNSUPPORTED_KEYS.items()]
    values = [
        (f"`{key}`", ", ".join(f"`{value}`" for value in known), advice)
        for key, (known, advice) in UNSUPPORTED_VALUES.items()
    ]
    return page(
        "All settings",
        "Every key of a tuning configuration, with what it may hold. [Settings](../yaml.md) explains them, with "
        "examples; in Python each section is a frozen dataclass of `nc_trainer.config`.",
        *_sections(TuningConfig),
        "## Known from Neural Compressor, and refused\n\nEach is an error that says why.",
        table(("key", "why"), refused),
        table(("key", "values", "instead"), values),
    )


def options_page() -> str:
    """What `QuantizationTrainingArguments` adds."""
    kind = QuantizationTrainingArguments
    held = {item.name: item for item in fields(kind)}
    own = inspect.get_annotations(kind)  # HfArgumentParser writes the types that it has understood into the fields
    rows = [
        (f"`--{name}`", type_of(own[name]), default_or_nothing(held[name]), held[name].metadata["help"])
        for name in own
    ]
    return page(
        "All options",
        f"What `{kind.__name__}` has beside everything in `TrainingArguments`; `HfArgumentParser` makes the "
        "options of a script from it, as [run_glue_tune.py](../../examples/text-classification/README.md) does. In "
        "Python they are its arguments, without the dashes.",
        table(("option", "type", "default", "meaning"), rows),
    )


def command_page() -> str:
    """The options of `nc-trainer`."""
    parser = make_parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help for choice in commands._choices_actions}
    parts = [
        f"## {parser.prog} {name}\n\n{described(helps[name], name)}\n\n{_actions(command)}"
        for name, command in commands.choices.items()
    ]
    return page(
        f"The command {parser.prog}",
        "Quantizes and benchmarks without a script of your own. It ends with 0, with 1 where the criterion was not "
        "met, with 2 after a mistake in the options or the data.",
        *parts,
    )


def objects_page() -> str:
    """What a search returns, and what its parts hold."""
    return page(
        "Objects",
        "What `quantize()` and `benchmark()` return, and what it consists of. All are frozen; `to_dict()` gives plain "
        "values. How a recipe stands in `config.json`: [the int8 directory](../format.md).",
        *map(object_section, OBJECTS),
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
        (f"`{item.name}`", item.metadata["rule"].expected, in_yaml(item.default), item.metadata["help"])
        for item in fields(kind)
        if section_of(item) is None
    ]
    if own:
        title = f"`{kind.place}`" if kind.place else "Top level"
        yield f"## {title}\n\n{introduction(kind)}\n\n{table(('key', 'value', 'default', 'meaning'), own)}"
    for item in fields(kind):
        inner = section_of(item)
        if inner is not None:
            yield from _sections(inner)


def _actions(parser: argparse.ArgumentParser) -> str:
    rows = [
        (f"`{', '.join(action.option_strings) or action.dest}`", _given(action), described(action.help, action.dest))
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    return table(("argument", "default", "meaning"), rows)


def _given(action: argparse.Action) -> str:
    """What an argument is when it is not given."""
    if action.default is None:
        return "required" if action.required and action.nargs != "*" else ""
    return in_python(action.default)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in PAGES.items():
        (FOLDER / name).write_text(content(), encoding="utf-8")
