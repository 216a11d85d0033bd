"""One int8 module for each kind of float module, and the table that pairs them; and attention in our kernels.

To support another kind, write its module in a file of its own and add a line to `KINDS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from transformers.pytorch_utils import Conv1D

from nc_trainer.config.recipe import Precision
from nc_trainer.int8.nn.attention_interface import restore_attention, use_native_attention
from nc_trainer.int8.nn.bare_parameters import projections_of
from nc_trainer.int8.nn.conv1d import conv1d_empty_like, conv1d_from_float
from nc_trainer.int8.nn.current_batch import CurrentBatch
from nc_trainer.int8.nn.embedding import Int8Embedding
from nc_trainer.int8.nn.float_layers import FloatActivation, FloatConv1D, FloatLinear, compute_rows_alone
from nc_trainer.int8.nn.int8_module import Int8Module
from nc_trainer.int8.nn.linear import Int8Linear
from nc_trainer.int8.nn.projection import Int8Projection, Projection
from nc_trainer.int8.nn.shared_input import SharedInput
from nc_trainer.int8.nn.taken_over import TakenOver
from nc_trainer.int8.nn.user_hooks import has_hooks, share_hooks


@dataclass(frozen=True)
class Int8Counterpart:
    """How a float module becomes int8."""

    precision: Precision
    from_float: Callable[..., Int8Module]
    empty_like: Callable[..., Int8Module]


KINDS: dict[type[nn.Module], Int8Counterpart] = {
    nn.Linear: Int8Counterpart(Precision.INT8_DYNAMIC, Int8Linear.from_float, Int8Linear.empty_like),
    FloatLinear: Int8Counterpart(Precision.INT8_DYNAMIC, Int8Linear.from_float, Int8Linear.empty_like),
    Conv1D: Int8Counterpart(Precision.INT8_DYNAMIC, conv1d_from_float, conv1d_empty_like),
    FloatConv1D: Int8Counterpart(Precision.INT8_DYNAMIC, conv1d_from_float, conv1d_empty_like),
    Projection: Int8Counterpart(Precision.INT8_DYNAMIC, Int8Projection.from_float, Int8Projection.empty_like),
    nn.Embedding: Int8Counterpart(Precision.INT8_WEIGHT_ONLY, Int8Embedding.from_float, Int8Embedding.empty_like),
}

__all__ = [
    "KINDS",
    "CurrentBatch",
    "FloatActivation",
    "FloatConv1D",
    "FloatLinear",
    "Int8Counterpart",
    "Int8Embedding",
    "Int8Linear",
    "Int8Module",
    "Int8Projection",
    "Projection",
    "SharedInput",
    "TakenOver",
    "compute_rows_alone",
    "has_hooks",
    "projections_of",
    "restore_attention",
    "share_hooks",
    "use_native_attention",
]
