"""JSON with NaN and infinity, which JSON itself lacks: they become `{"$float": "nan"}`."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_NOT_FINITE = "$float"


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON of mappings, lists, tuples and numpy's numbers; `from_json` reads it back, with lists for tuples."""
    return json.dumps(_plain(value), allow_nan=False, indent=indent)


def from_json(text: str) -> Any:
    """What `to_json` wrote.

    Raises:
        ValueError: the text is not JSON.
    """
    return json.loads(text, object_hook=_restore)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {_NOT_FINITE: repr(float(value))}
    return value


def _restore(content: dict[str, Any]) -> Any:
    return float(content[_NOT_FINITE]) if set(content) == {_NOT_FINITE} else content
