"""Whether what casts or moves tensors leaves those of an int8 module as they are."""

from collections.abc import Callable

import torch
from torch import Tensor

from nc_trainer.errors import QuantizationError


def check_keeps(fn: Callable[[Tensor], Tensor], dtypes: tuple[torch.dtype, ...] = (torch.float32,)) -> None:
    """Try what a cast or a move does to tensors on an empty one of each dtype.

    Raises:
        QuantizationError: it changes the dtype or the device.
    """
    for dtype in dtypes:
        given = torch.empty(0, dtype=dtype)
        found = fn(given)
        if found.dtype != dtype or found.device != given.device:
            raise QuantizationError(
                f"This model is int8: its scales and float parts stay {' and '.join(str(d) for d in dtypes)} on the "
                f"CPU, and this would make {dtype} on the CPU {found.dtype} on {found.device}. Quantize the float "
                "model again with `quantization.float_dtype` to choose how the rest computes."
            )
