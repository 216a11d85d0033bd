"""Cells, tables and pages of the reference, in Markdown."""

import inspect
import re
from collections.abc import Iterable
from dataclasses import MISSING, Field
from pathlib import Path
from typing import Any


def page(title: str, introduction: str, *parts: str) -> str:
    """A whole page; `parts` are its sections."""
    note = "<!-- Written by docs/generate_reference.py; do not edit. -->"
    return "\n\n".join((f"# {title}", note, introduction, *parts)) + "\n"


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table; `%%`, as argparse wants it, becomes `%`."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('%%', '%') for cell in line)} |" for line in lines)


def described(text: str | None, name: str) -> str:
    """The text as a sentence."""
    if not text:
        raise ValueError(f"`{name}` has no description: give it a `help`, or a line under `Attributes:`.")
    return text[:1].upper() + text[1:].rstrip(".") + "."


def default_or_nothing(item: Field[Any]) -> str:
    """The default of a dataclass's field, "" if it has none."""
    if item.default_factory is not MISSING:
        return in_python(item.default_factory())
    return "" if item.default is MISSING else in_python(item.default)


def in_yaml(value: object) -> str:
    """A value as a YAML file has it, as code."""
    return "`null`" if value is None else f"`{str(value).lower()}`"


def in_python(value: object) -> str:
    """A value as Python has it, as code."""
    return f"`{value}`" if isinstance(value, Path) else f"`{value!r}`"


def type_of(annotation: object) -> str:
    """Without the modules of names, and `str or None` for `str | None`: a bar would end a table's cell."""
    text = inspect.formatannotation(annotation)
    return f"`{re.sub(r'(?:[A-Za-z_]+[.])+(?=[A-Za-z])', '', text).replace(' | ', ' or ')}`"
