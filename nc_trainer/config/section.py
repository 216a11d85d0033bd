"""What a section of the configuration is: a frozen dataclass that checks its own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar

from nc_trainer.config.rules import Rule, describe
from nc_trainer.config.unsupported_keys import refuse_unsupported_value
from nc_trainer.errors import ConfigError


@dataclass(frozen=True)
class Section:
    """Base of every section. A value is checked wherever it comes from: YAML, Python, `dataclasses.replace`.

    Subclasses name their place in the file: `class ExitPolicy(Section, path="tuning.exit_policy")`.
    """

    place: ClassVar[str] = ""

    def __init_subclass__(cls, path: str) -> None:
        cls.place = path

    def __post_init__(self) -> None:
        for item in fields(self):
            path, value = dotted(self.place, item.name), getattr(self, item.name)
            kind = section_of(item)
            if kind is None:
                refuse_unsupported_value(path, value)
                object.__setattr__(self, item.name, item.metadata["rule"].apply(value, path))
            elif not isinstance(value, kind):
                raise ConfigError(f"`{path}`: found {describe(value)}, expected a {kind.__name__}.")


def setting(default: object, rule: Rule, help: str) -> Any:
    """A dataclass field that holds one value; `help` is its line in docs/reference/settings.md."""
    return field(default=default, metadata={"rule": rule, "help": help})


def section_of(item: Field[Any]) -> type[Section] | None:
    """The section that a dataclass field holds (its default factory), or None when it holds one value."""
    kind = item.default_factory
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def plain(value: object) -> Any:
    """Sections and mappings as dicts, tuples as lists: what JSON can hold."""
    if isinstance(value, Section):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def dotted(path: str, key: str) -> str:
    """The dotted key of `key` inside the section at `path` ("" is the top level)."""
    return f"{path}.{key}" if path else key
