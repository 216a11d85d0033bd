"""A mapping becomes a section: keys are checked here, values by the section itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar

from nc_trainer.config.rules import describe
from nc_trainer.config.section import Section, dotted, section_of
from nc_trainer.config.unsupported_keys import unsupported_key_message
from nc_trainer.errors import ConfigError

AnySection = TypeVar("AnySection", bound=Section)


def build(kind: type[AnySection], content: object, root: type[Section] | None = None) -> AnySection:
    """The section `kind` with the values of `content`, a mapping of key -> value or nested mapping.

    Args:
        root: the section that holds all others, to say where a misplaced key belongs; `kind` by default.

    Raises:
        ConfigError: naming the dotted key, what was found and what was expected.
    """
    root = root or kind
    known = {item.name: item for item in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in _as_mapping(kind, content).items():
        if key not in known:
            raise ConfigError(_unknown_key_message(kind, key, root))
        inner = section_of(known[key])
        values[key] = value if inner is None else build(inner, value, root)
    return kind(**values)


def _as_mapping(kind: type[Section], content: object) -> Mapping[Any, Any]:
    if isinstance(content, Mapping):
        return content
    if content is None and kind.place:  # `tuning:` with nothing under it
        return {}
    place = f"`{kind.place}`" if kind.place else "the configuration"
    raise ConfigError(f"{place}: found {describe(content)}, expected a mapping whose keys may be: {_allowed(kind)}.")


def _unknown_key_message(kind: type[Section], key: object, root: type[Section]) -> str:
    path = dotted(kind.place, key if isinstance(key, str) else describe(key))
    place = f"under `{kind.place}`" if kind.place else "at the top level"
    unknown = f"`{path}`: unknown key.{_hint(kind, key, root)} Keys allowed {place}: {_allowed(kind)}."
    return unsupported_key_message(path) or unknown


def _hint(kind: type[Section], key: object, root: type[Section]) -> str:
    homes = [f"`{home.place or 'the top level'}`" for home in _sections(root) if key in _names(home)]
    if homes:
        return f" `{key}` belongs under {' or '.join(homes)}: check the indentation."
    nearest = get_close_matches(str(key), _names(kind), n=1)
    return f" Did you mean `{nearest[0]}`?" if nearest else ""


def _sections(root: type[Section]) -> Iterator[type[Section]]:
    yield root
    for item in fields(root):
        inner = section_of(item)
        if inner is not None:
            yield from _sections(inner)


def _names(kind: type[Section]) -> list[str]:
    return [item.name for item in fields(kind)]


def _allowed(kind: type[Section]) -> str:
    return ", ".join(sorted(_names(kind)))
