"""Projections that a model keeps in a bare parameter and applies with `torch.einsum`, in float and in int8."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nc_trainer.int8.nn.einsum import EinsumWeight, Layout
from nc_trainer.int8.nn.linear import Int8Linear
from nc_trainer.int8.ops import int8_linear, quantize_rows


class Projection(EinsumWeight, nn.Module):
    """A bare parameter seen as a module: what hooks, kinds and int8 modules are made for.

    Args:
        weight: the parameter itself, not a copy.
        equation: how the model applies it.
        followers: names of the parameters that come after it in the module that holds it.
    """

    def __init__(self, weight: nn.Parameter, equation: str, followers: Sequence[str] = ()) -> None:
        super().__init__()
        self.weight = weight
        self.equation = equation
        self.followers = tuple(followers)

    @property
    def dtype(self) -> torch.dtype:
        """Models cast inputs to the dtype of the parameter."""
        return self.weight.dtype

    def matrix(self) -> Tensor:
        """The weight as [out, in]."""
        return Layout.of(self.equation).matrix(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """What the model computes with the parameter, bit for bit."""
        return torch.einsum(self.equation, x, self.weight)


class Int8Projection(EinsumWeight, Int8Linear):
    """An `Int8Linear` in the shapes of an einsum.

    The buffer `qweight` is [groups * out, in] int8: codes per output channel. Activations are quantized per token, and
    per group where the weight has groups. `float_dtype` is the dtype that the parameter would have.

    Args:
        shape: of the parameter.
        equation: how the model applies it.
    """

    def __init__(self, shape: torch.Size, equation: str) -> None:
        layout = Layout.of(equation)
        in_features = layout.size(shape, layout.contracted)
        super().__init__(in_features, shape.numel() // in_features, bias=False)
        self.equation = equation
        self.groups = layout.size(shape, layout.groups)
        self.contracted_dims = len(layout.contracted)
        self.output_shape = tuple(shape[dimension] for dimension in layout.outputs)
        self.float_dtype = torch.float32

    @classmethod
    def empty_like(cls, projection: Projection) -> "Int8Projection":  # type: ignore[override]
        """The int8 module of the same shape, to be filled from a checkpoint."""
        return cls(projection.weight.shape, projection.equation)

    @classmethod
    def from_float(cls, projection: Projection) -> "Int8Projection":  # type: ignore[override]
        """Quantize a parameter of any float dtype, which is left as it is."""
        module = cls.empty_like(projection)
        with torch.no_grad():
            module.qweight, module.scale = quantize_rows(projection.matrix())
        return module.train(projection.training)

    @property
    def dtype(self) -> torch.dtype:
        """Models cast inputs to the dtype of the parameter."""
        return self.float_dtype

    def forward(self, x: Tensor) -> Tensor:
        """The einsum of `x` with the weight, in the dtype of `x`."""
        rows = x.flatten(-self.contracted_dims) if self.contracted_dims > 1 else x
        y = super().forward(rows)
        return y.unflatten(-1, self.output_shape) if len(self.output_shape) > 1 else y

    def pack_weights(self) -> None:
        """Groups are parts of the plain codes."""
        if self.groups == 1:
            super().pack_weights()

    def compute(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out], or [..., groups, in] to [..., groups, out]."""
        if self.groups == 1:
            return super().compute(x)
        weights = zip(self.qweight.chunk(self.groups), self.scale.chunk(self.groups), strict=True)
        parts = [int8_linear(x[..., group, :], *weight) for group, weight in enumerate(weights)]
        return torch.stack(parts).movedim(0, -2)  # in memory as einsum leaves it
