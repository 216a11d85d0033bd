"""Timing recipes against each other on one model, whose modules are swapped off the clock."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from nc_trainer.benchmark.measure import evaluation_mode
from nc_trainer.benchmark.timing import time_interleaved
from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.quantize import ModuleSwapper

Batch = Mapping[str, Tensor]

WARMUP, ROUNDS = 2, 8
PASSES = WARMUP + ROUNDS
"""Forward passes that timing takes for each recipe."""


def time_recipes(
    swapper: ModuleSwapper, recipes: Mapping[str, Recipe], batches: Sequence[Batch], deadline: float = math.inf
) -> dict[str, list[float]]:
    """Time a forward pass under each recipe, in rounds in which every recipe has its turn.

    All run on the same batches in the same rounds, so that what disturbs one disturbs the others. The model is left
    in the recipe that came last.

    Args:
        swapper: of the model.
        recipes: by name.
        batches: model inputs without labels; round i takes batch i modulo their number.
        deadline: on the clock of `time.monotonic`.

    Returns:
        For each name `ROUNDS` durations in seconds, of the same rounds.

    Raises:
        TimeoutError: the deadline has passed before the last round.
    """
    model = swapper.model

    def prepare(name: str) -> None:
        if time.monotonic() > deadline:
            raise TimeoutError("timing takes longer than it may")
        swapper.apply(recipes[name])

    with evaluation_mode([model]), torch.inference_mode():
        return time_interleaved(
            {name: _forward(model, batches) for name in recipes},
            warmup=WARMUP,
            iterations=ROUNDS,
            before=prepare,
        )


def _forward(model: nn.Module, batches: Sequence[Batch]) -> Callable[[], object]:
    calls = iter(range(PASSES))
    return lambda: model(**batches[next(calls) % len(batches)])
