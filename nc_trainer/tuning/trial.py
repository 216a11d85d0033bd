"""What one evaluation returns, and the record of one judged recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nc_trainer.recipe import Recipe


@dataclass(frozen=True)
class Evaluation:
    """The metrics of the model as it stands, without prefix, and what they were computed from."""

    metrics: Mapping[str, float]
    seconds: float
    predictions: Any = None


@dataclass(frozen=True)
class Trial:
    """One judged recipe. Immutable; number 0 is the float baseline.

    `flips` counts the rows whose predicted class differs from the baseline's, of `rows`; both are None where the
    task has no classes. A trial that raised, or whose metric is NaN, has `error` set and no value.
    """

    number: int
    recipe: Recipe
    value: float | None
    accepted: bool
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    flips: int | None = None
    rows: int | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; of the recipe only what fell back."""
        own = {key: value for key, value in vars(self).items() if key not in ("recipe", "metrics")}
        return own | {"metrics": dict(self.metrics), "fallbacks": list(self.recipe.fallbacks)}


def predicted_classes(predictions: Any) -> np.ndarray | None:
    """The class of each row from logits, or None for a regression or unknown shapes.

    Args:
        predictions: logits [rows, ..., classes], class ids [rows, ...], or a tuple that starts with either, as
            encoder-decoder classifiers return.
    """
    first = predictions[0] if isinstance(predictions, (tuple, list)) and predictions else predictions
    if not isinstance(first, np.ndarray) or first.ndim == 0:
        return None
    if np.issubdtype(first.dtype, np.integer):
        return first
    return first.argmax(axis=-1) if first.ndim > 1 and first.shape[-1] > 1 else None


def count_flips(before: Any, after: Any) -> tuple[int, int] | tuple[None, None]:
    """How many rows changed their predicted class, and how many rows there are."""
    first, second = predicted_classes(before), predicted_classes(after)
    if first is None or second is None or first.shape != second.shape:
        return None, None
    changed = (first != second).reshape(len(first), -1).any(axis=1)
    return int(changed.sum()), len(first)
