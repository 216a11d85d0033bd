"""The evaluation rows in random order, which the sequential test of `tuning.sequential` rests on."""

from collections.abc import Mapping, Sized
from typing import Any

from torch.utils.data import IterableDataset, Subset
from transformers import Trainer

from nc_trainer._compat import groups_by_length
from nc_trainer.errors import QuantizationError
from nc_trainer.tuning.sequential import shuffled


def in_random_order(trainer: Trainer, dataset: Any, seed: int) -> Any:
    """The same rows, shuffled once.

    Args:
        trainer: evaluates them, in the order of the data set.
        dataset: with a length and integer indices; None is the trainer's own evaluation data, a text one of these.
        seed: of the order.

    Raises:
        QuantizationError: the rows cannot be shuffled, or the trainer would sort them.
    """
    rows = trainer.eval_dataset if dataset is None else dataset
    if isinstance(rows, str):
        rows = trainer.eval_dataset[rows]
    advice = "Set `tuning.early_stopping.error_rate: 0`, which needs no order."
    if groups_by_length(trainer.args):
        raise QuantizationError(f"The sequential test needs rows in random order, not grouped by length. {advice}")
    if isinstance(rows, (Mapping, IterableDataset)) or not isinstance(rows, Sized):
        raise QuantizationError(
            "The sequential test needs rows in random order: one evaluation data set with a length, "
            f"not a {type(rows).__name__}. {advice}"
        )
    order = shuffled(len(rows), seed).tolist()
    return rows.select(order) if hasattr(rows, "select") else Subset(rows, order)  # type: ignore[arg-type]
