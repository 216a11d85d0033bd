"""What is exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from nc_trainer.config.recipe import Precision, Recipe

EXAMPLE_ROWS = 2


@dataclass(frozen=True)
class ExportSource:
    """A classifier in float and in int8.

    Attributes:
        float_model: as it was fine-tuned; other runtimes quantize it themselves.
        int8_model: as it was saved.
        recipe: of the int8 model.
        calibration: inputs of the model, batch by batch, for runtimes that calibrate.
        max_length: the most tokens that a row may have.
    """

    float_model: PreTrainedModel
    int8_model: PreTrainedModel
    recipe: Recipe
    calibration: Sequence[Mapping[str, Tensor]]
    max_length: int

    @property
    def most_tokens(self) -> int:
        """`max_length`, or as many positions as the model has, when these are fewer."""
        positions = getattr(self.float_model.config, "max_position_embeddings", None) or 0
        return min(self.max_length, positions) if positions > 0 else self.max_length

    @property
    def names(self) -> tuple[str, ...]:
        """Of the inputs, in an order that stays."""
        return tuple(self.calibration[0])

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of two rows, for tracing; a batch of one would be taken for a constant."""
        first = self.calibration[0]
        return tuple(torch.cat([first[name][:1]] * EXAMPLE_ROWS) for name in self.names)

    def linear_modules(self) -> tuple[str, ...]:
        """Names of the layers that the recipe has wholly in int8, without the embeddings.

        Other runtimes have no layers of which a few columns are float: these stay in float there.
        """
        int8 = (name for name, kind in self.recipe.modules.items() if kind is Precision.INT8_DYNAMIC)
        return tuple(name for name in int8 if name not in self.recipe.float_columns)
