"""Calibration batches that keep their labels, for what is computed from the loss."""

import inspect
from typing import Any, cast

from torch import Tensor, nn
from transformers import Trainer

from nc_trainer.calibration.batches import _sample
from nc_trainer.errors import QuantizationError


def labelled_batches(trainer: Trainer, dataset: Any, rows: int, seed: int) -> list[dict[str, Tensor]]:
    """The rows that `calibration_batches` takes, with their labels.

    Raises:
        QuantizationError: the data set has no rows, or rows without labels.
    """
    accepted = inspect.signature(cast(nn.Module, trainer.model).forward).parameters
    batches: list[dict[str, Tensor]] = []
    found = 0
    for batch in trainer.get_test_dataloader(_sample(dataset, rows, seed)):
        if not any(name in batch for name in trainer.label_names):
            raise QuantizationError(
                f"The calibration rows have no labels ({trainer.label_names}), which a Hessian needs: add them, or "
                "use a strategy that needs none, such as `basic`."
            )
        batches.append({key: value for key, value in batch.items() if key in accepted})
        found += len(next(iter(batch.values())))
        if found >= rows:
            break
    if not batches:
        raise QuantizationError("The calibration data set is empty: it needs at least one row.")
    return batches
