"""A float module that computes in training what its int8 counterpart will compute, for each kind of module."""

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from nc_trainer.int8.nn import Projection
from nc_trainer.int8.nn.einsum import EinsumWeight, Layout
from nc_trainer.int8.training.straight_through import straight_through_linear, straight_through_rows


class FakeQuantLinear(nn.Linear):
    """An `nn.Linear` that computes what `Int8Linear` would."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out], in the dtype of `x`."""
        return straight_through_linear(x, self.weight, self.bias)


class FakeQuantConv1D(Conv1D):
    """A `Conv1D` that computes what its int8 counterpart would."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out], in the dtype of `x`."""
        return straight_through_linear(x, self.weight.t(), self.bias)


class FakeQuantEmbedding(nn.Embedding):
    """An `nn.Embedding` whose rows are what their int8 codes stand for."""

    def forward(self, ids: Tensor) -> Tensor:
        """Integer ids [...] to vectors [..., dim]."""
        return straight_through_rows(super().forward(ids))


class FakeQuantProjection(EinsumWeight):
    """Stands before a bare parameter, which stays where it is, and answers the model's `torch.einsum`.

    Args:
        projection: the parameter seen as a module.
    """

    def __init__(self, projection: Projection) -> None:
        self.equation = projection.equation
        self.weight = projection.weight
        self.layout = Layout.of(projection.equation)

    @property
    def dtype(self) -> torch.dtype:
        """Models cast inputs to the dtype of the parameter."""
        return self.weight.dtype

    def __call__(self, x: Tensor) -> Tensor:
        """The einsum of `x` with the weight, in the dtype of `x`: what `Int8Projection` computes."""
        layout, shape = self.layout, self.weight.shape
        rows = x.flatten(-len(layout.contracted))
        matrix = layout.matrix(self.weight)
        if layout.groups:
            groups = matrix.chunk(layout.size(shape, layout.groups))
            parts = [straight_through_linear(rows[..., number, :], group) for number, group in enumerate(groups)]
            y = torch.stack(parts).movedim(0, -2)
        else:
            y = straight_through_linear(rows, matrix)
        return y.unflatten(-1, [shape[dimension] for dimension in layout.outputs])
