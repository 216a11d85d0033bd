"""What a setting may hold: each rule turns a value into its plain form or refuses it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from nc_trainer.errors import ConfigError

LONGEST_TEXT_SHOWN = 60
LARGEST_NUMBER_SHOWN = 10**18
LARGEST_SEED = 2**32 - 1  # numpy's limit


@dataclass(frozen=True)
class Rule:
    """One kind of value.

    Args:
        expected: what a fitting value is, worded to follow "expected".
        read: value -> plain form (bool, int, float, str or None); raises ValueError when it does not fit.
    """

    expected: str
    read: Callable[[Any], Any]

    def apply(self, value: object, path: str) -> Any:
        """The plain form of `value`; raises ConfigError naming the dotted key `path`."""
        try:
            return self.read(value)
        except (ValueError, OverflowError):
            message = f"`{path}`: found {describe(value)}, expected {self.expected}."
        raise ConfigError(message)


def describe(value: object) -> str:
    """A short name for any value: what a file may hold can be nested or long without limit."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        shown = value if len(value) <= LONGEST_TEXT_SHOWN else value[:LONGEST_TEXT_SHOWN] + "..."
        return f"the text {shown!r}"
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < LARGEST_NUMBER_SHOWN):
        return str(value)
    if isinstance(value, int):
        return "a number with too many digits"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"a value of type {type(value).__name__}"


def flag() -> Rule:
    """A bool; the words "true" in quotes, 0 and 1 are refused."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Rule("true or false", read)


def text() -> Rule:
    """A str with at least one visible character."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise ValueError
        return str(value)

    return Rule("a text that is not empty", read)


def one_of(*choices: str, because: str = "") -> Rule:
    """One of the texts `choices`; `because` is added to the message."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError
        return str(value)

    return Rule(" or ".join(repr(choice) for choice in choices) + because, read)


def whole_number(low: int, high: int | None = None) -> Rule:
    """An int in [low, high]; bool and float are refused."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise ValueError
        number = int(value)
        if number < low or (high is not None and number > high):
            raise ValueError
        return number

    return Rule(f"a whole number of {low} or more" if high is None else f"a whole number from {low} to {high}", read)


def number(low: float, below: float = math.inf, percent: bool = False, because: str = "") -> Rule:
    """A finite number in [low, below), as a float; with `percent`, texts such as "1%" too.

    `because` is added to the message.

    A text that spells a number passes, because YAML 1.1 reads `1e-2` as a text.
    """

    def read(value: Any) -> float:
        result = _to_float(value, percent)
        if not math.isfinite(result) or not low <= result < below:
            raise ValueError
        return result

    interval = f"a number of {low:g} or more" if below == math.inf else f"a number in [{low:g}, {below:g})"
    return Rule(interval + (' or a percentage such as "1%"' if percent else "") + because, read)


def version_number() -> Rule:
    """A version 1.x or 2.x of the file format, as a number or a text; read as a text."""

    def read(value: Any) -> str:
        spelled = "" if isinstance(value, bool) else str(value)
        if not re.fullmatch(r"[12](\.[0-9]+)*", spelled):
            raise ValueError
        return spelled

    return Rule("a version 1.x or 2.x", read)


def several(rule: Rule) -> Rule:
    """A list of values that each fit `rule`, as a tuple; not empty."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError
        return tuple(rule.read(item) for item in value)

    return Rule(f"a list of: {rule.expected}", read)


def sizes() -> Rule:
    """A whole number of 1 or more, or the largest of a list of them or of a text such as "1000, 2000"."""
    each = whole_number(1)

    def read(value: Any) -> int:
        if isinstance(value, str):
            value = [int(part) for part in value.split(",")]
        listed = list(value) if isinstance(value, (list, tuple)) else [value]
        if not listed:
            raise ValueError
        return max(each.read(item) for item in listed)

    return Rule('a whole number of 1 or more, a list of them, or a text such as "1000, 2000"', read)


def optional(rule: Rule) -> Rule:
    """`rule`, or None for "not given"."""
    return Rule(f"{rule.expected} or null", lambda value: None if value is None else rule.read(value))


def _to_float(value: Any, percent: bool) -> float:
    if isinstance(value, str):
        if percent and value.rstrip().endswith("%"):
            return float(value.rstrip()[:-1]) / 100
        return float(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError
    return float(value)
