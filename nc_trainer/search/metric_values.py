"""Which of the values that an evaluation returns are numbers, in whatever dress they come."""

from collections.abc import Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from torch import Tensor

LONGEST = 60


def as_number(value: Any) -> float | None:
    """A number, a boolean, a decimal, or an array or tensor with one real element, as a float; None for all else.

    A text is no number, even one that reads like one: what computed it may be something else than a metric.
    """
    if isinstance(value, Tensor):
        value = value.item() if value.numel() == 1 and not value.is_complex() else None
    elif isinstance(value, (np.ndarray, np.generic)):
        value = value.item() if value.size == 1 and value.dtype.kind in "biuf" else None
    return float(value) if isinstance(value, (Real, Decimal)) else None


def numbers_among(values: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """The numbers by name, and of each other value what it is, worded to follow its name."""
    found = {name: as_number(value) for name, value in values.items()}
    numbers = {name: number for name, number in found.items() if number is not None}
    return numbers, {name: f"is {described(values[name])}" for name in values if name not in numbers}


def described(value: Any) -> str:
    """A value for a message: its type and, if that is short, the value."""
    if value is None:
        return "None"
    if isinstance(value, (np.ndarray, Tensor)):
        return f"an array of shape {tuple(value.shape)}"
    kind, shown = "text" if isinstance(value, str) else type(value).__name__, repr(value)
    return f"the {kind} {shown if len(shown) <= LONGEST else shown[:LONGEST] + '…'}"
