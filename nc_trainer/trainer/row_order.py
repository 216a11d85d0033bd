"""The evaluation rows in another order: random, which the sequential test rests on, or with like lengths together."""

import random
from collections.abc import Mapping, Sequence, Sized
from typing import Any

from torch.utils.data import IterableDataset, Subset
from transformers import Trainer

from nc_trainer.errors import QuantizationError
from nc_trainer.hub.transformers_versions import groups_by_length
from nc_trainer.search.statistics.betting_test import shuffled


def in_random_order(trainer: Trainer, dataset: Any, seed: int) -> Any:
    """The same rows, shuffled once.

    Args:
        trainer: evaluates them, in the order of the data set.
        dataset: with a length and integer indices; None is the trainer's own evaluation data, a text one of these.
        seed: of the order.

    Raises:
        QuantizationError: the rows cannot be shuffled, or the trainer would sort them.
    """
    rows = _rows(trainer, dataset)
    advice = "Set `tuning.early_stopping.error_rate: 0`, which needs no order."
    if groups_by_length(trainer.args) or getattr(trainer.args, "batch_by_length", False):
        raise QuantizationError(f"The sequential test needs rows in random order, not grouped by length. {advice}")
    if isinstance(rows, (Mapping, IterableDataset)) or not isinstance(rows, Sized):
        raise QuantizationError(
            "The sequential test needs rows in random order: one evaluation data set with a length, "
            f"not a {type(rows).__name__}. {advice}"
        )
    return _reordered(rows, shuffled(len(rows), seed).tolist())


def in_length_batches(trainer: Trainer, dataset: Any, seed: int) -> Any:
    """The same rows, so that those of a batch have about the same length and little padding is computed.

    Batches come in random order: a few of them stand for all.

    Args:
        trainer: evaluates them, in the order of the data set, `args.eval_batch_size` at a time.
        dataset: with a column `input_ids`; None is the trainer's own evaluation data, a text one of these.
        seed: of the order of the batches.

    Raises:
        QuantizationError: the rows have no lengths.
    """
    rows = _rows(trainer, dataset)
    if "input_ids" not in (getattr(rows, "column_names", None) or ()):
        raise QuantizationError(
            "`batch_by_length` needs an evaluation data set with the column `input_ids`: tokenize it with "
            "`datasets.Dataset.map`, or turn the option off."
        )
    return rows.select(length_order([len(ids) for ids in rows["input_ids"]], trainer.args.eval_batch_size, seed))


def length_order(lengths: Sequence[int], batch_size: int, seed: int) -> list[int]:
    """Row numbers in which every run of `batch_size` has neighbouring lengths; an incomplete batch comes last."""
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    whole = len(order) - len(order) % batch_size
    batches = [order[first : first + batch_size] for first in range(0, whole, batch_size)]
    random.Random(seed).shuffle(batches)
    return [row for batch in [*batches, order[whole:]] for row in batch]


def _rows(trainer: Trainer, dataset: Any) -> Any:
    rows = trainer.eval_dataset if dataset is None else dataset
    return trainer.eval_dataset[rows] if isinstance(rows, str) else rows


def _reordered(rows: Any, order: list[int]) -> Any:
    return rows.select(order) if hasattr(rows, "select") else Subset(rows, order)
