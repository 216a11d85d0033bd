"""Calibration batches from a trainer's data: few rows, always the same ones."""

import random
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset, Subset
from transformers import Trainer

from nc_trainer.config import TuningConfig
from nc_trainer.config.quantization_section import AWARE_TRAINING
from nc_trainer.errors import QuantizationError
from nc_trainer.int8.replay import rows_in
from nc_trainer.trainer.model_inputs import ModelInputs, labelled_inputs

Inputs = Callable[[dict[str, Any]], dict[str, Tensor]]


def calibration_batches(trainer: Trainer, dataset: Any, rows: int, seed: int) -> list[dict[str, Tensor]]:
    """Model inputs of `rows` rows of `dataset`, collated as the trainer collates its evaluation batches.

    Rows are drawn with `seed`, independent of any global random state, and kept in the data set's order. An
    iterable data set without a length gives its first rows.

    Raises:
        QuantizationError: the data set has no rows.
    """
    return _gather(trainer, dataset, rows, seed, ModelInputs(trainer))


def labelled_batches(trainer: Trainer, dataset: Any, rows: int, seed: int) -> list[dict[str, Tensor]]:
    """The rows that `calibration_batches` takes, with their labels, for what is computed from the loss.

    Raises:
        QuantizationError: the data set has no rows, or rows without labels.
    """
    return _gather(trainer, dataset, rows, seed, partial(labelled_inputs, trainer))


def train_rows_needed(dataset: Any, config: TuningConfig) -> Any:
    """The rows of a train set that a search reads, so that no others need be tokenized: all of them if it trains.

    These are the rows that `calibration_batches` draws for the ranking out of the whole data set.
    """
    if config.quantization.approach == AWARE_TRAINING:
        return dataset
    return _sample(dataset, config.quantization.calibration.sampling_size, config.tuning.random_seed)


def _gather(trainer: Trainer, dataset: Any, rows: int, seed: int, inputs_of: Inputs) -> list[dict[str, Tensor]]:
    batches: list[dict[str, Tensor]] = []
    found = 0
    with _incomplete_batches_too(trainer):
        dataloader = trainer.get_test_dataloader(_sample(dataset, rows, seed))
    for batch in some_batches(dataloader):
        inputs = inputs_of(batch)
        batches.append(inputs)
        found += rows_in(inputs)
        if found >= rows:
            break
    if not batches:
        raise QuantizationError("The calibration data set is empty: it needs at least one row.")
    return batches


@contextmanager
def _incomplete_batches_too(trainer: Trainer) -> Iterator[None]:
    """Dataloaders that are made meanwhile do not drop an incomplete batch: a few rows are often less than one."""
    drops, trainer.args.dataloader_drop_last = trainer.args.dataloader_drop_last, False
    try:
        yield
    finally:
        trainer.args.dataloader_drop_last = drops


def evaluation_batches(trainer: Trainer, dataset: Any, limit: int | None) -> list[dict[str, Tensor]]:
    """Model inputs of the first `limit` evaluation batches (None: all of them), in order, of all evaluation sets."""
    inputs_of = ModelInputs(trainer)
    return [inputs_of(batch) for batch in islice(read_evaluation(trainer, dataset), limit)]


def read_evaluation(trainer: Trainer, dataset: Any) -> Iterator[Any]:
    """The batches that `trainer.evaluate(dataset)` reads, of one evaluation set after the other."""
    loaders = map(trainer.get_eval_dataloader, evaluation_sets(trainer, dataset))
    return chain.from_iterable(some_batches(loader) for loader in loaders)


def evaluation_sets(trainer: Trainer, dataset: Any) -> list[Any]:
    """What `trainer.get_eval_dataloader` takes for each evaluation set: data, the name of a set, or None.

    Args:
        trainer: has evaluation data, one set or a dictionary of them.
        dataset: stands in for these; None takes them.
    """
    given = trainer.eval_dataset if dataset is None else dataset
    if not isinstance(given, dict):
        return [dataset]
    return list(given) if dataset is None else list(given.values())


def some_batches(dataloader: Any) -> Iterator[Any]:
    """The batches of a dataloader that may not be read to its end, which accelerate's would wait for."""
    try:
        yield from dataloader
    finally:
        if hasattr(dataloader, "end"):
            dataloader.end()


def sampled_indices(length: int, rows: int, seed: int) -> list[int]:
    """`rows` of so many indices, drawn with `seed`, in order; all of them if there are no more."""
    return sorted(random.Random(seed).sample(range(length), min(rows, length)))


def selected(dataset: Any, indices: list[int]) -> Any:
    """These rows of a data set, as a data set."""
    return dataset.select(indices) if hasattr(dataset, "select") else Subset(dataset, indices)


def _sample(dataset: Any, rows: int, seed: int) -> Any:
    can_be_chosen_from = isinstance(dataset, Sized) and not isinstance(dataset, IterableDataset)
    length = len(dataset) if can_be_chosen_from else 0
    return dataset if length <= rows else selected(dataset, sampled_indices(length, rows, seed))
