"""What a whole recipe does to the logits. No labels are needed."""

import math
from collections.abc import Sequence

from torch import Tensor

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import Batch, logits


class LogitsDamage:
    """Mean squared error of the logits under a recipe against those of the float model.

    Called with a recipe it costs one forward pass over the batches, at the first call two, and it leaves the model in
    that recipe. Infinite where the logits are not finite.

    Args:
        swapper: of the model.
        batches: model inputs without labels, already collated; few are enough, `mse_v2` takes two.
    """

    def __init__(self, swapper: ModuleSwapper, batches: Sequence[Batch]) -> None:
        self.swapper = swapper
        self.batches = batches
        self._expected: list[Tensor] = []

    def __call__(self, recipe: Recipe) -> float:
        """The damage that `recipe` does."""
        if not self._expected:
            self.swapper.restore()
            self._expected = self._logits()
        self.swapper.apply(recipe)
        found = self._logits()
        squared = sum(float((a - b).double().square().sum()) for a, b in zip(found, self._expected, strict=True))
        error = squared / sum(tensor.numel() for tensor in found)
        return error if math.isfinite(error) else math.inf

    def _logits(self) -> list[Tensor]:
        return [tensor for batch in self.batches for tensor in logits(self.swapper.model, batch)]
