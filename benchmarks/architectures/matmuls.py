"""Watches the matrix products of a forward pass: what is multiplied, and how many operations that takes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from nc_trainer.int8.module_tree import submodule

aten = torch.ops.aten
MULTIPLIED = {
    aten.mm: (0, 1),
    aten.bmm: (0, 1),
    aten.addmm: (1, 2),
    aten.baddbmm: (1, 2),
    aten.convolution: (0, 1),
}
"""Which arguments an operator multiplies; the others are added."""
COPIES = (aten.clone, aten._to_copy)
"""What they return is still the parameter that they were given."""


@dataclass(frozen=True)
class Product:
    """One matrix product: its floating point operations, and the parameters among its operands, by name."""

    flops: int
    parameters: frozenset[str]


class MatmulWatch(TorchDispatchMode):
    """Records the products of what runs inside `with`. Attention has to be transformers' `eager`.

    Args:
        parameters: the tensors to be recognised, by name.

    Raises:
        NotImplementedError: an operator multiplies matrices that is not known here.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.products: list[Product] = []
        self._names = {_storage(tensor): name for name, tensor in parameters.items()}
        self._kept: list[Tensor] = []  # their memory must not be given to another tensor

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        operator = func._overloadpacket
        if operator in MULTIPLIED:
            names = frozenset().union(*(self._name(args[index]) for index in MULTIPLIED[operator]))
            flops = flop_registry[operator](*args, **(kwargs or {}), out_val=out)
            self.products.append(Product(flops, names))
        elif operator in flop_registry or "scaled_dot_product" in str(operator):
            raise NotImplementedError(f"{operator} multiplies matrices and is not counted here.")
        elif operator in COPIES:
            self._is_copy(out, args[0])
        elif operator == aten._weight_norm_interface:
            self._is_copy(out[0], args[0])
        return out

    def _name(self, tensor: Tensor) -> set[str]:
        return {self._names[_storage(tensor)]} if _storage(tensor) in self._names else set()

    def _is_copy(self, copy: Tensor, original: Tensor) -> None:
        for name in self._name(original):
            self._names[_storage(copy)] = name
            self._kept.append(copy)


def products(model: nn.Module, batch: Mapping[str, Tensor], quantizable: Iterable[str] = ()) -> list[Product]:
    """The products of one forward pass. Weights have the name of their module where that is in `quantizable`."""
    weights = dict(model.named_parameters())
    weights |= {name: submodule(model, name).weight for name in quantizable}
    with torch.no_grad(), MatmulWatch(weights) as watch:
        model(**batch)
    return watch.products


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
