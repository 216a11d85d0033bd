"""Looking up rows of an evaluation again, for the report."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from nc_trainer.int8.replay import rows_in


@dataclass(frozen=True)
class EvaluatedBatch:
    """A batch as the model was given it.

    `first` is the number of its first row in the evaluation, from 0. `labels` are those of its rows, None where they
    are not one array.
    """

    first: int
    inputs: Mapping[str, Tensor]
    labels: np.ndarray | None

    @property
    def rows(self) -> range:
        """Numbers of its rows."""
        return range(self.first, self.first + rows_in(self.inputs))


class EvaluationRows(Protocol):
    """Where the rows of an evaluation can be looked up."""

    def batches(self, rows: Collection[int]) -> Iterator[EvaluatedBatch]:
        """The batches that hold one of these rows, in order."""

    def texts(self, inputs: Mapping[str, Tensor], index: int) -> tuple[str, ...]:
        """The sentences of one row of a batch; empty where they cannot be known."""
