"""What a dataloader yields, as model inputs and labels."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.replay import rows_in

LABELS = ("labels", "label", "label_ids")


def labelled(model: nn.Module, loader: Iterable[Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Model inputs and labels of each batch.

    Raises:
        QuantizationError: a batch has no labels.
    """
    for batch in loader:
        inputs, labels = _split(model, batch)
        if labels is None:
            raise QuantizationError(
                f"A batch has no labels: expected one of the keys {LABELS}, or a pair (inputs, labels)."
            )
        yield inputs, labels


def loader_batches(model: nn.Module, loader: Iterable[Any], rows: int, with_labels: bool) -> list[dict[str, Tensor]]:
    """Model inputs of the first batches that hold `rows` rows.

    Raises:
        QuantizationError: there is no batch, or no labels where they are asked for.
    """
    batches: list[dict[str, Tensor]] = []
    found = 0
    source = labelled(model, loader) if with_labels else (_split(model, batch) for batch in loader)
    for inputs, labels in source:
        batches.append(inputs | ({"labels": torch.as_tensor(labels)} if with_labels else {}))
        found += rows_in(inputs)
        if found >= rows:
            return batches
    if not batches:
        raise QuantizationError("calib_dataloader yields no batch: it needs at least one row.")
    return batches


def _split(model: nn.Module, batch: Any) -> tuple[dict[str, Any], Any]:
    """What `forward` takes, by name, and the labels, None where there are none."""
    names = list(inspect.signature(model.forward).parameters)
    labels = None
    if isinstance(batch, (list, tuple)) and len(batch) == 2 and not isinstance(batch[0], (str, bytes)):
        batch, labels = batch
    if isinstance(batch, Mapping):
        found = [batch[name] for name in LABELS if name in batch]
        inputs = {name: value for name, value in batch.items() if name in names and name not in LABELS}
        return inputs, found[0] if labels is None and found else labels
    values = batch if isinstance(batch, (list, tuple)) else (batch,)
    return dict(zip(names, values, strict=False)), labels
