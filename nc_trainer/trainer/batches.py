"""Calibration batches from a trainer's data: few rows, always the same ones."""

import inspect
import random
from collections.abc import Callable, Iterator, Sized
from functools import partial
from itertools import islice
from typing import Any, cast

from torch import Tensor, nn
from torch.utils.data import Subset
from transformers import Trainer

from nc_trainer.errors import QuantizationError

Inputs = Callable[[dict[str, Any]], dict[str, Tensor]]


def calibration_batches(trainer: Trainer, dataset: Any, rows: int, seed: int) -> list[dict[str, Tensor]]:
    """Model inputs of `rows` rows of `dataset`, collated as the trainer collates its evaluation batches.

    Rows are drawn with `seed`, independent of any global random state, and kept in the data set's order. An
    iterable data set without a length gives its first rows.

    Raises:
        QuantizationError: the data set has no rows.
    """
    return _gather(trainer, dataset, rows, seed, partial(model_inputs, trainer))


def labelled_batches(trainer: Trainer, dataset: Any, rows: int, seed: int) -> list[dict[str, Tensor]]:
    """The rows that `calibration_batches` takes, with their labels, for what is computed from the loss.

    Raises:
        QuantizationError: the data set has no rows, or rows without labels.
    """
    return _gather(trainer, dataset, rows, seed, partial(_labelled_inputs, trainer))


def _gather(trainer: Trainer, dataset: Any, rows: int, seed: int, inputs_of: Inputs) -> list[dict[str, Tensor]]:
    batches: list[dict[str, Tensor]] = []
    found = 0
    for batch in some_batches(trainer.get_test_dataloader(_sample(dataset, rows, seed))):
        inputs = inputs_of(batch)
        batches.append(inputs)
        found += len(next(iter(inputs.values())))
        if found >= rows:
            break
    if not batches:
        raise QuantizationError("The calibration data set is empty: it needs at least one row.")
    return batches


def evaluation_batches(trainer: Trainer, dataset: Any, limit: int | None) -> list[dict[str, Tensor]]:
    """Model inputs of the first `limit` evaluation batches (None: all of them), in order."""
    batches = some_batches(trainer.get_eval_dataloader(dataset))
    return [model_inputs(trainer, batch) for batch in islice(batches, limit)]


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
    length = len(dataset) if isinstance(dataset, Sized) else 0
    return dataset if length <= rows else selected(dataset, sampled_indices(length, rows, seed))


def model_inputs(trainer: Trainer, batch: dict[str, Any]) -> dict[str, Tensor]:
    """What the model's forward takes, without the labels: no loss is to be computed.

    A decoder that reads labels, shifted by one, as its inputs is given them in that form.
    """
    labels = {"labels", "label", "label_ids", *trainer.label_names}
    inputs = {key: value for key, value in _accepted(trainer, batch).items() if key not in labels}
    shift = getattr(trainer.model, "prepare_decoder_input_ids_from_labels", None)
    if shift is not None and "labels" in batch and "decoder_input_ids" not in inputs:
        inputs["decoder_input_ids"] = shift(labels=batch["labels"])
    return inputs


def _labelled_inputs(trainer: Trainer, batch: dict[str, Any]) -> dict[str, Tensor]:
    if not any(name in batch for name in trainer.label_names):
        raise QuantizationError(
            f"The calibration rows have no labels ({trainer.label_names}), which a Hessian needs: add them, or "
            "use a strategy that needs none, such as `basic`."
        )
    return _accepted(trainer, batch)


def _accepted(trainer: Trainer, batch: dict[str, Any]) -> dict[str, Tensor]:
    parameters = inspect.signature(cast(nn.Module, trainer.model).forward).parameters
    return {key: value for key, value in batch.items() if key in parameters}
