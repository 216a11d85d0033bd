"""Labels that a model does not have, which losses report as an index out of range somewhere inside torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from transformers import Trainer

from nc_trainer.errors import QuantizationError
from nc_trainer.trainer.batches import read_evaluation
from nc_trainer.trainer.evaluation_rows import labels_of
from nc_trainer.trainer.repeatable import same_random_state

IGNORED = -100
"""What the losses of torch leave out."""


@contextmanager
def unknown_labels_named(trainer: Trainer, dataset: Any) -> Iterator[None]:
    """An evaluation that fails meanwhile is looked into.

    Raises:
        QuantizationError: a row has a label that the model does not have.
    """
    try:
        yield
    except (IndexError, RuntimeError) as error:
        found = _unknown_label(trainer, dataset)
        if found is None:
            raise
        row, label = found
        known = trainer.model.config.num_labels
        raise QuantizationError(
            f"The evaluation data have label {label} in row {row}, the model has {known} labels, 0 to {known - 1}: "
            f"correct the row, or give it {IGNORED}, which losses leave out."
        ) from error


def _unknown_label(trainer: Trainer, dataset: Any) -> tuple[int, int] | None:
    """The first row with such a label, from 0, and the label."""
    first = 0
    with same_random_state(trainer):
        for batch in read_evaluation(trainer, dataset):
            labels = labels_of(trainer, batch)
            if labels is None or not labels.ndim or not np.issubdtype(labels.dtype, np.integer):
                return None
            unknown = (labels != IGNORED) & ((labels < 0) | (labels >= trainer.model.config.num_labels))
            if unknown.any():
                place = np.argwhere(unknown)[0]
                return first + int(place[0]), int(labels[tuple(place)])
            first += len(labels)
    return None
