"""`nn.Linear` with int8 weights and activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nc_trainer.int8.nn.int8_module import Int8Module
from nc_trainer.int8.nn.shared_input import SharedInput
from nc_trainer.int8.nn.taken_over import mark_activated
from nc_trainer.int8.ops import int8_linears, quantize_rows
from nc_trainer.int8.ops.float_columns import int8_linear_with_columns, split_columns
from nc_trainer.int8.ops.int8_linear import packs_weights
from nc_trainer.int8.ops.packing import is_packed, pack, unpack

if TYPE_CHECKING:
    from nc_trainer.int8.nn.current_batch import CurrentBatch

MOST_PADDED = 2  # bytes of packed codes for each byte of plain ones


class Int8Linear(Int8Module):
    """int8 weights per output channel, activations quantized per token.

    Buffers: `qweight` [out, in] int8, `scale` [out] fp32, and `bias` [out] fp32 where the float module has one.
    `pack_weights` keeps the codes in the order in which the engine reads them, in place of the plain ones: `qweight`
    then puts them together anew, and so does `state_dict`.

    Args:
        columns: of the input, in rising order, that are multiplied in float: their codes are zero, and the buffer
            `float_columns` [columns, out] fp32 has their weights.
    """

    scale: Tensor
    bias: Tensor | None
    float_columns: Tensor | None

    def __init__(self, in_features: int, out_features: int, bias: bool, columns: Sequence[int] = ()) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.columns = list(columns)
        self.activation = "none"  # applied to the output; see `nc_trainer.int8.ops.ACTIVATIONS`
        self.shared: SharedInput | None = None
        self.batch: CurrentBatch | None = None  # what it knows of the batch: None is nothing, and no limits
        self.token_wise = False  # whether its rows are the tokens of the batch, so that padding can be left out
        self.read_at = ""  # where alone its output is read: one of `nc_trainer.config.recipe.READ_AT`
        # `register_buffer` refuses the name of a property.
        self._buffers["qweight"] = torch.zeros(out_features, in_features, dtype=torch.int8)
        self.register_buffer("scale", torch.zeros(out_features, dtype=torch.float32))
        self.register_buffer("bias", torch.zeros(out_features, dtype=torch.float32) if bias else None)
        self.register_buffer("float_columns", torch.zeros(len(self.columns), out_features) if columns else None)

    @classmethod
    def empty_like(cls, linear: nn.Linear, columns: Sequence[int] = ()) -> Int8Linear:
        """The int8 module of the same shape, to be filled from a checkpoint."""
        return cls(linear.in_features, linear.out_features, linear.bias is not None, columns)

    @classmethod
    def from_float(cls, linear: nn.Linear, columns: Sequence[int] = ()) -> Int8Linear:
        """Quantize a float module of any float dtype. The float module is left as it is."""
        module = cls.empty_like(linear, columns)
        with torch.no_grad():
            weight = linear.weight.detach()
            if columns:
                weight, module.float_columns = split_columns(weight, columns)
            module.qweight, module.scale = quantize_rows(weight)
            if linear.bias is not None:
                module.bias = linear.bias.detach().float().clone()
        return module.train(linear.training)

    @property
    def stored(self) -> Tensor:
        """The codes as they are kept: plain, or as `nc_trainer.int8.ops.packing.pack` makes them."""
        return self._buffers["qweight"]  # type: ignore[return-value]

    @property
    def qweight(self) -> Tensor:
        """The codes, [out, in] int8: a copy where they are packed."""
        stored = self.stored
        return unpack(stored, self.out_features, self.in_features) if is_packed(stored) else stored

    @qweight.setter
    def qweight(self, codes: Tensor) -> None:
        self._buffers["qweight"] = codes

    @property
    def weight(self) -> Tensor:
        """[out, in] int8, see `Int8Module`: T5 casts its input to any other dtype than int8.

        The codes, in no order that could be used where they are packed: models ask it often, and only what it is.
        """
        stored = self.stored
        if not is_packed(stored):
            return stored
        codes = stored.view(torch.int8).flatten()
        return codes[: self.out_features * self.in_features].view(self.out_features, self.in_features)

    def pack_weights(self) -> None:
        """Keep the codes as the engine in force reads them fastest; outputs do not change by a bit.

        A layer of a few outputs or inputs, of which most would be padding, stays plain.
        """
        if is_packed(self.stored) or self.stored.is_meta or not packs_weights():
            return
        packed = pack(self.stored)
        if packed.nbytes <= MOST_PADDED * self.stored.nbytes:
            self.qweight = packed

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "qweight"] = self.qweight

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        was_packed = is_packed(self.stored)
        self.qweight = self.qweight
        super()._load_from_state_dict(*args, **kwargs)
        if was_packed:
            self.pack_weights()

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out], in the dtype of `x`."""
        self.refuse_training()
        return self.compute(x) if self.shared is None else self.shared.output_of(self, x)

    def compute(self, x: Tensor) -> Tensor:
        """`forward` of this module on its own."""
        fused = self.activation != "none" and (self.batch is None or self.batch.is_covered())
        activation = self.activation if fused else "none"
        rows = self.rows_of(x)
        if self.float_columns is None:
            y = int8_linears(x, [self.stored], [self.scale], [self.bias], activation, rows)[0]
        else:
            columns = self.columns, self.float_columns
            y = int8_linear_with_columns(x, self.stored, self.scale, self.bias, *columns, activation, rows)
        if fused:
            mark_activated(y)
        return y

    def rows_of(self, x: Tensor) -> Tensor | None:
        """The rows of `x` that are to be computed, None for all."""
        return None if self.batch is None else self.batch.rows_of(x, self.token_wise, self.read_at)

    def extra_repr(self) -> str:
        """Shown by `print(model)`."""
        shown = f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        shown += f", float_columns={self.columns}" if self.columns else ""
        return shown if self.activation == "none" else f"{shown}, activation={self.activation}"
