"""`torch.einsum` of an input and a weight: which linear layer it is, and a module that answers it."""

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from nc_trainer.errors import QuantizationError


@dataclass(frozen=True)
class Layout:
    """What `torch.einsum` does with each dimension of a weight.

    Attributes:
        groups: the dimension that input and output share, if any: each of its indices has a matrix of its own.
        outputs: dimensions that only the output has.
        contracted: dimensions that are summed over.
    """

    groups: tuple[int, ...]
    outputs: tuple[int, ...]
    contracted: tuple[int, ...]

    @classmethod
    @cache
    def of(cls, equation: str) -> "Layout":
        """The layout in an equation like `ibh,hnd->ibnd`, of an input and a weight.

        Raises:
            QuantizationError: it is not a linear layer over the last dimensions of the input.
        """
        found = re.fullmatch(r"([a-z]+),([a-z]+)->([a-z]+)", equation.replace(" ", ""))
        x, weight, y = found.groups() if found else ("", "", "")
        groups = "".join(d for d in weight if d in x and d in y)
        outputs = "".join(d for d in weight if d not in x)
        contracted = "".join(d for d in weight if d in x and d not in y)
        rows = x.removesuffix(groups + contracted)
        if not contracted or len(groups) > 1 or (x, y) != (rows + groups + contracted, rows + groups + outputs):
            raise QuantizationError(f"einsum `{equation}` is not a linear layer that can become int8.")
        return cls(*(tuple(weight.index(d) for d in dims) for dims in (groups, outputs, contracted)))

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight as [groups * outputs, contracted]."""
        order = self.groups + self.outputs + self.contracted
        return weight.permute(order).reshape(-1, self.size(weight.shape, self.contracted))

    @staticmethod
    def size(shape: torch.Size, dimensions: tuple[int, ...]) -> int:
        """How many indices these dimensions have together."""
        return math.prod(shape[dimension] for dimension in dimensions)


class EinsumWeight:
    """A module that stands where a model expects a parameter, and answers `torch.einsum(equation, x, module)`.

    Every other operation on it is refused: it would need the parameter.
    """

    equation: str

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called by torch for operations that are given such a module in place of a tensor."""
        if func is torch.einsum and len(args) == 3 and _answers(args[2], args[0]):
            return args[2](args[1])
        called = f"einsum `{args[0]}`" if func is torch.einsum else getattr(func, "__name__", str(func))
        known = ", ".join(f"`{arg.equation}`" for arg in args if isinstance(arg, EinsumWeight))
        raise QuantizationError(
            f"An int8 projection computes only torch.einsum({known}, x, projection); the model asked for {called}. "
            "Keep it in float: name it in `quantization.op_wise` with `weight: {dtype: fp32}`."
        )


def _answers(module: Any, equation: str) -> bool:
    return isinstance(module, EinsumWeight) and (
        equation == module.equation or Layout.of(equation) == Layout.of(module.equation)
    )
