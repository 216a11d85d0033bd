"""What reaches `compute_metrics` during an evaluation, in one call or in many."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import Tensor
from transformers import EvalPrediction, Trainer

from nc_trainer.errors import QuantizationError
from nc_trainer.search.metric_values import described

PADDING = -100


class CapturedPredictions:
    """Stands in for a trainer's `compute_metrics` and keeps what it is given.

    Attributes:
        calls: how often it was called.
    """

    def __init__(self, original: Any, one_part_a_batch: bool) -> None:
        self.calls = 0
        self._original = original
        self._one_part_a_batch = one_part_a_batch
        self._predictions: list[Any] = []
        self._labels: list[Any] = []

    def __call__(self, prediction: EvalPrediction, *args: Any, **kwargs: Any) -> Any:
        """What the original returns.

        Raises:
            QuantizationError: that is no mapping.
        """
        self.calls += 1
        for kept, given in ((self._predictions, prediction.predictions), (self._labels, prediction.label_ids)):
            parts = given if self._one_part_a_batch and isinstance(given, list) else [given]
            kept += [as_arrays(part) for part in parts]
        result = self._original(prediction, *args, **kwargs)
        if not isinstance(result, Mapping) and kwargs.get("compute_result", True):
            raise QuantizationError(
                f"`compute_metrics` returned {described(result)}, expected a dictionary of numbers by name."
            )
        return result

    def __getattr__(self, name: str) -> Any:
        """What the original has, such as a state of its own; only asked for what is not found here."""
        if name == "_original":
            raise AttributeError(name)
        return getattr(self._original, name)

    @property
    def predictions(self) -> Any:
        """Of all rows, in order; None where parts do not fit together."""
        return joined(self._predictions)

    @property
    def labels(self) -> Any:
        """Likewise."""
        return joined(self._labels)


@contextmanager
def captured_predictions(trainer: Trainer) -> Iterator[CapturedPredictions | None]:
    """Keep what reaches `compute_metrics` meanwhile; None where the trainer has none."""
    original = trainer.compute_metrics
    if original is None:
        yield None
        return
    trainer.compute_metrics = captured = CapturedPredictions(original, not trainer.args.eval_do_concat_batches)
    try:
        yield captured
    finally:
        trainer.compute_metrics = original


def as_arrays(value: Any) -> Any:
    """Tensors as arrays in memory of their own, in tuples and lists too."""
    if isinstance(value, Tensor):
        return (value.float() if value.is_floating_point() else value).numpy(force=True)
    return tuple(map(as_arrays, value)) if isinstance(value, tuple) else value


def joined(parts: Sequence[Any]) -> Any:
    """One array, or one tuple of arrays, of the rows of all parts; shorter rows are padded with -100.

    Returns:
        None if there are no parts, or parts that are neither.
    """
    if len(parts) <= 1:
        return parts[0] if parts else None
    if all(isinstance(part, tuple) and len(part) == len(parts[0]) for part in parts):
        columns = [joined(column) for column in zip(*parts, strict=True)]
        return None if any(column is None for column in columns) else tuple(columns)
    if not all(isinstance(part, np.ndarray) and part.ndim == np.ndim(parts[0]) and part.ndim for part in parts):
        return None
    widths = [max(part.shape[axis] for part in parts) for axis in range(1, parts[0].ndim)]
    return np.concatenate([_padded(part, widths) for part in parts])


def _padded(array: np.ndarray, widths: Sequence[int]) -> np.ndarray:
    missing = [(0, 0), *((0, width - have) for width, have in zip(widths, array.shape[1:], strict=True))]
    if not any(after for _, after in missing):
        return array
    return np.pad(array, missing, constant_values=False if array.dtype == bool else PADDING)
