"""What a class holds and computes, from its docstring, as a section of the reference."""

import inspect
import re
from dataclasses import fields
from enum import Enum

from reference_markdown import default_or_nothing, described, table, type_of

OWN_LINE = re.compile(r" {4}(\w+(?:, \w+)*): (.*)")


def object_section(kind: type) -> str:
    """A heading, what the class is, its fields or values, and what it computes.

    Raises:
        ValueError: a field has no line under `Attributes:`.
    """
    rows = _values(kind) if issubclass(kind, Enum) else _fields(kind)
    header = ("name", "value", "meaning") if issubclass(kind, Enum) else ("attribute", "type", "default", "meaning")
    parts = [f"## {kind.__name__}", introduction(kind), table(header, rows)]
    computed = _computed(kind)
    return "\n\n".join([*parts, table(("computed", "meaning"), computed)] if computed else parts)


def _values(kind: type[Enum]) -> list[tuple[str, ...]]:
    texts = _attributes(kind)
    return [(f"`{item.name}`", f"`{item.value}`", described(texts.get(item.name), item.name)) for item in kind]


def _fields(kind: type) -> list[tuple[str, ...]]:
    texts = _attributes(kind)
    return [
        (f"`{item.name}`", type_of(item.type), default_or_nothing(item), described(texts.get(item.name), item.name))
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
    """The descriptions in the section `Attributes:` of a class's docstring and of what it derives from, by name."""
    texts = [inspect.cleandoc(vars(base).get("__doc__") or "") for base in reversed(kind.__mro__)]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in "\n".join(text.partition("Attributes:\n")[2] for text in texts).splitlines():
        start = OWN_LINE.fullmatch(line)
        names = start[1].split(", ") if start else names
        for name in names:
            found[name] = f"{found.get(name, '')} {start[2] if start else line.strip()}".strip()
    return found


def introduction(kind: type) -> str:
    """The docstring before its `Attributes:`."""
    return (inspect.getdoc(kind) or "").partition("\n\nAttributes:")[0].replace("\n    ", "\n")


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").partition("\n\n")[0].split())
