"""What all int8 modules share: buffers only, and a clear refusal to be trained."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nc_trainer.errors import TrainingRefusedError
from nc_trainer.int8.nn.kept_dtypes import check_keeps


class Int8Module(nn.Module):
    """A module whose weights are int8 buffers. It computes, but it does not train.

    `weight` is what models of transformers need to find under the float module's name, and nothing here reads it. Of a
    linear layer they ask the dtype, or leave it as it is while loading: it is the codes. Of an embedding some, such as
    DeBERTa, multiply the rows themselves: it is a float copy.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        """There are no parameters: one that transformers ties to an output layer is not taken over.

        An output layer that shares the embedding's table has codes of its own once it is int8.
        """
        if not isinstance(value, nn.Parameter):
            super().__setattr__(name, value)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Int8Module":
        """Through this torch casts and moves modules: scales stay float32, and int8 is computed on the CPU."""
        check_keeps(fn)
        return super()._apply(fn, recurse)

    def refuse_training(self) -> None:
        """Call first in `forward`.

        Raises:
            TrainingRefusedError: the module is in training mode with gradients on.
        """
        if self.training and torch.is_grad_enabled():
            raise TrainingRefusedError(
                "This model is int8: its weights are frozen codes and cannot be trained. "
                "Fine-tune the float model and quantize it again, or call `model.eval()` to use this one."
            )
