"""Which parameters a forward pass multiplies with in float."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

MULTIPLY = {
    nn.functional.linear,
    nn.functional.bilinear,
    torch.matmul,
    torch.mm,
    torch.bmm,
    torch.addmm,
    torch.baddbmm,
    torch.einsum,
    torch.tensordot,
    Tensor.matmul,
    Tensor.__matmul__,
    Tensor.mm,
    Tensor.bmm,
}


def float_matmul_weights(model: nn.Module, batch: Mapping[str, Tensor]) -> set[str]:
    """Names of the parameters that are an operand of a matrix product, or a view of one is, in one forward pass."""
    watch = _Watch()
    with torch.no_grad(), watch:
        model(**batch)
    return {name for name, parameter in model.named_parameters() if id(parameter) in watch.seen}


class _Watch(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in MULTIPLY:
            operands = [leaf for leaf in tree_leaves((args, dict(kwargs or {}))) if isinstance(leaf, Tensor)]
            self.seen |= {id(operand if operand._base is None else operand._base) for operand in operands}
        return func(*args, **(kwargs or {}))
