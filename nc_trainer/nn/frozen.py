"""What all int8 modules share: buffers only, and a clear refusal to be trained."""

import torch
from torch import nn

from nc_trainer.errors import TrainingRefusedError


class Int8Module(nn.Module):
    """A module whose weights are int8 buffers. It computes, but it does not train."""

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """There are no parameters: a float weight that transformers ties to an output layer is not taken over.

        An output layer that shares the embedding's table has codes of its own once it is int8.
        """

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
