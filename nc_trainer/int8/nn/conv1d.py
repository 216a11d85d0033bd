"""transformers' `Conv1D`, the linear layer of GPT-2 with its weight the other way round."""

from collections.abc import Sequence

from torch import nn
from transformers.pytorch_utils import Conv1D

from nc_trainer.int8.nn.linear import Int8Linear


def conv1d_from_float(conv: Conv1D, columns: Sequence[int] = ()) -> Int8Linear:
    """Quantize a `Conv1D`, whose weight is [in, out], into an `Int8Linear`, whose codes are [out, in]."""
    linear = nn.Linear(conv.nx, conv.nf, dtype=conv.weight.dtype, device="meta")
    linear.weight = nn.Parameter(conv.weight.detach().t(), requires_grad=False)
    linear.bias = nn.Parameter(conv.bias.detach(), requires_grad=False)
    return Int8Linear.from_float(linear, columns).train(conv.training)


def conv1d_empty_like(conv: Conv1D, columns: Sequence[int] = ()) -> Int8Linear:
    """The int8 module of the same shape, to be filled from a checkpoint."""
    return Int8Linear(conv.nx, conv.nf, bias=True, columns=columns)
