"""The model as a function of what is shown of a row: the cooperative game that Shapley values are of."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nc_trainer.benchmark.measure import evaluation_mode
from nc_trainer.errors import NCTrainerError
from nc_trainer.explain.masking import MaskedRow

BATCH = 32
"""Coalitions computed in one call of the model."""


class Game:
    """The value of a coalition: one logit of the model when only these players of a row are shown.

    A coalition is computed once. `passes` counts what was: rows that went through the model.

    Args:
        model: as it stands; it is not changed.
        row: what can be hidden.
        output: index of the logit.
    """

    def __init__(self, model: nn.Module, row: MaskedRow, output: int) -> None:
        self.model = model
        self.row = row
        self.output = output
        self._values: dict[bytes, float] = {}

    @property
    def passes(self) -> int:
        """How many coalitions were computed."""
        return len(self._values)

    def __call__(self, coalitions: NDArray) -> NDArray[np.float64]:
        """Values [coalitions] of coalitions [coalitions, players]; nonzero is shown."""
        shown = np.ascontiguousarray(coalitions, dtype=bool)
        keys = [one.tobytes() for one in shown]
        new = {key: one for key, one in zip(keys, shown, strict=True) if key not in self._values}
        if new:
            self._values |= dict(zip(new, self._computed(np.stack(list(new.values()))), strict=True))
        return np.array([self._values[key] for key in keys])

    def _computed(self, coalitions: NDArray[np.bool_]) -> list[float]:
        batches = [coalitions[start : start + BATCH] for start in range(0, len(coalitions), BATCH)]
        logits = [_logits(self.model, self.row.show(batch)) for batch in batches]
        return [value for one in logits for value in one[:, self.output].tolist()]


def predicted_output(model: nn.Module, row: MaskedRow) -> int:
    """Index of the largest logit of the whole row; 0 for a regression, which has one."""
    return int(_logits(model, row.inputs).argmax())


def _logits(model: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    """float64 [rows, classes]."""
    with evaluation_mode([model]), torch.inference_mode():
        logits = getattr(model(**inputs), "logits", None)
    if logits is None or logits.ndim != 2:
        raise NCTrainerError(
            "Shapley values explain one answer per row: expected a model that returns `logits` [rows, classes], as "
            f"text classifiers and regressions do, found a {type(model).__name__}."
        )
    return logits.double()
