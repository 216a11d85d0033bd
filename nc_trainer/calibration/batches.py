"""Calibration batches from a trainer's data: few rows, always the same ones, no labels."""

import inspect
import random
from collections.abc import Sized
from itertools import islice
from typing import Any, cast

from torch import Tensor, nn
from torch.utils.data import Subset
from transformers import Trainer

from nc_trainer.errors import QuantizationError


def calibration_batches(trainer: Trainer, dataset: Any, rows: int, seed: int) -> list[dict[str, Tensor]]:
    """Model inputs of `rows` rows of `dataset`, collated as the trainer collates its evaluation batches.

    Rows are drawn with `seed`, independent of any global random state, and kept in the data set's order. An
    iterable data set without a length gives its first rows.

    Raises:
        QuantizationError: the data set has no rows.
    """
    batches: list[dict[str, Tensor]] = []
    found = 0
    for batch in trainer.get_test_dataloader(_sample(dataset, rows, seed)):
        inputs = _model_inputs(trainer, batch)
        batches.append(inputs)
        found += len(next(iter(inputs.values())))
        if found >= rows:
            break
    if not batches:
        raise QuantizationError("The calibration data set is empty: it needs at least one row.")
    return batches


def evaluation_batches(trainer: Trainer, dataset: Any, limit: int | None) -> list[dict[str, Tensor]]:
    """Model inputs of the first `limit` evaluation batches (None: all of them), in order."""
    return [_model_inputs(trainer, batch) for batch in islice(trainer.get_eval_dataloader(dataset), limit)]


def _sample(dataset: Any, rows: int, seed: int) -> Any:
    length = len(dataset) if isinstance(dataset, Sized) else 0
    if length <= rows:
        return dataset
    chosen = sorted(random.Random(seed).sample(range(length), rows))
    return dataset.select(chosen) if hasattr(dataset, "select") else Subset(dataset, chosen)


def _model_inputs(trainer: Trainer, batch: dict[str, Any]) -> dict[str, Tensor]:
    """What the model's forward takes, without the labels: no loss is to be computed."""
    accepted = inspect.signature(cast(nn.Module, trainer.model).forward).parameters
    labels = {"labels", "label", "label_ids", *trainer.label_names}
    return {key: value for key, value in batch.items() if key in accepted and key not in labels}
