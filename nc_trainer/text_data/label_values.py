"""Labels as people write them: names, numbers or scores. What they mean, and their ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from datasets import ClassLabel, Value

from nc_trainer.errors import NCTrainerError

LABEL = "label"
UNLABELLED = -1


def label_feature(
    labels: Iterable[Any], label_names: Sequence[str] | None = None, is_regression: bool | None = None
) -> Value | ClassLabel:
    """What the labels are: a ClassLabel, or float32 for regression.

    Args:
        labels: as written, without those that are missing.
        label_names: the labels in the order of their ids, when known. By default they are the distinct labels,
            sorted (numbers by value).
        is_regression: whether labels are floats to predict; by default, whether any is written as a float.

    Raises:
        NCTrainerError: there are no labels to tell.
    """
    known = list(labels)
    if not known and label_names is None and not is_regression:
        raise NCTrainerError("a test file alone does not tell the labels; give the training or validation file too")
    if is_regression is None:
        is_regression = label_names is None and any(map(_is_float, known))
    if is_regression:
        return Value("float32")
    return ClassLabel(names=list(label_names or _sorted_names(known)))


def label_value(label: Any, feature: Value | ClassLabel, place: str) -> float:
    """The id or the score of one label; -1 for None.

    Raises:
        NCTrainerError: the label is none of the known ones, or no number; the message names `place`.
    """
    if label is None:
        return UNLABELLED
    number = _as_float(label)
    if isinstance(feature, ClassLabel):
        name = _name(label)
        if name in feature.names:
            return feature.names.index(name)
        if number is not None and number.is_integer() and 0 <= number < feature.num_classes:
            return int(number)
    elif number is not None:
        return number
    expected = ", ".join(feature.names) if isinstance(feature, ClassLabel) else "a number"
    raise NCTrainerError(f"{place}: label '{label}' is not {expected}")


def is_missing(label: Any) -> bool:
    """Whether a cell holds no label: nothing, or blanks, or not a number where numbers are."""
    return label is None or (isinstance(label, str) and not label.strip()) or label != label


def _is_float(label: Any) -> bool:
    """Whether a label is written as a float: 0.5 or "0.5", but not 1, "1" or "nan"."""
    if isinstance(label, str):
        return not _is_integer(label) and _as_float(label) is not None
    return isinstance(label, float)


def _is_integer(label: str) -> bool:
    return re.fullmatch(r"[+-]?\d{1,18}", label.strip()) is not None


def _as_float(label: Any) -> float | None:
    try:
        value = float(label)
    except (TypeError, ValueError):
        return None
    return value if abs(value) < float("inf") else None


def _sorted_names(labels: Sequence[Any]) -> list[str]:
    names = {_name(label) for label in labels}
    if all(_is_integer(name) for name in names):
        return sorted(names, key=int)
    return sorted(names)


def _name(label: Any) -> str:
    return str(label).strip()
