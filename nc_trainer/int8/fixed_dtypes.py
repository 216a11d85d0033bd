"""An int8 model stays in its dtypes and on the CPU: `.to(torch.bfloat16)` and its like are one clear error."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from nc_trainer.int8.nn import Int8Module
from nc_trainer.int8.nn.kept_dtypes import check_keeps


class FixedDtypes:
    """Stands where the model's `_apply` was, through which torch casts and moves modules.

    Args:
        model: the int8 model.
        dtypes: those of its tensors.
    """

    def __init__(self, model: nn.Module, dtypes: tuple[torch.dtype, ...]) -> None:
        self.model = model
        self.dtypes = dtypes

    def __call__(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> nn.Module:
        """What `nn.Module._apply` does, if `fn` leaves dtypes and device as they are.

        Raises:
            QuantizationError: it does not. Nothing has been changed then.
        """
        check_keeps(fn, self.dtypes)
        return type(self.model)._apply(self.model, fn, *args, **kwargs)


def fix_dtypes(model: nn.Module, float_dtype: str) -> Callable[[], None]:
    """Refuse casts and moves of the model and of its parts that hold int8 modules, before anything has changed.

    Returns:
        A function that allows them again.
    """
    dtypes = tuple(dict.fromkeys((torch.float32, getattr(torch, float_dtype))))
    holders = list(_holders_of_int8(model))
    for holder in holders:
        object.__setattr__(holder, "_apply", FixedDtypes(holder, dtypes))

    def undo() -> None:
        for holder in holders:
            vars(holder).pop("_apply", None)

    return undo


def _holders_of_int8(model: nn.Module) -> Iterator[nn.Module]:
    """The model, and every module with an int8 one inside."""
    int8 = [name for name, module in model.named_modules() if isinstance(module, Int8Module)]
    parents = {""} | {name[:end] for name in int8 for end, letter in enumerate(name) if letter == "."}
    return (model.get_submodule(name) for name in sorted(parents))
