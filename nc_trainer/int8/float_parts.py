"""The float parts of a model in another dtype, and back."""

from collections.abc import Iterable, Iterator, Set

import torch
from torch import Tensor, nn

from nc_trainer.int8.kept_float32 import kept_float32
from nc_trainer.int8.module_tree import submodule
from nc_trainer.int8.nn import Int8Embedding, Int8Module, Int8Projection
from nc_trainer.int8.ops.hardware import has_bf16


def float_dtype(wanted: str) -> str:
    """The float dtype of a recipe: `auto` is bfloat16 where the CPU has it in hardware, else float32."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if has_bf16() else "float32"


def cast_float_parts(model: nn.Module, dtype: torch.dtype, float32_modules: Iterable[str] = ()) -> None:
    """Cast every float parameter and buffer outside of int8 modules, and what int8 modules say their dtype is.

    Args:
        model: with its int8 modules in place.
        dtype: of the float parts.
        float32_modules: names of modules whose own tensors are left as they are, like what transformers keeps.
    """
    for tensor in _cast_parts(model, kept_float32(model, dtype), float32_modules):
        tensor.data = tensor.data.to(dtype)
    _set_float_dtype(model, dtype)


class FloatParts:
    """Casts the float parts of one model and gives them back as they were, bit for bit.

    The originals are kept, and each tensor is cast once for each dtype: going back and forth costs nothing more.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._originals: dict[Tensor, Tensor] = {}
        self._kept: dict[torch.dtype, set[Tensor]] = {}
        self._casts: dict[tuple[Tensor, torch.dtype], Tensor] = {}

    def cast(self, dtype: torch.dtype, float32_modules: Iterable[str] = ()) -> None:
        """What is in the model now, in `dtype`; see `cast_float_parts`."""
        if dtype not in self._kept:
            self._kept[dtype] = set() if dtype == torch.float32 else kept_float32(self.model, dtype)
        for tensor in _cast_parts(self.model, self._kept[dtype], float32_modules):
            self._originals.setdefault(tensor, tensor.data)
            tensor.data = self._cast(tensor, dtype)
        _set_float_dtype(self.model, dtype)

    def restore(self) -> None:
        """Everything that was ever cast, as it was, also what is no longer in the model."""
        for tensor, original in self._originals.items():
            tensor.data = original
        _set_float_dtype(self.model, torch.float32)

    def _cast(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        original = self._originals[tensor]
        if original.dtype == dtype:
            return original
        if (tensor, dtype) not in self._casts:
            self._casts[tensor, dtype] = original.to(dtype)
        return self._casts[tensor, dtype]


def _cast_parts(model: nn.Module, kept: Set[Tensor], float32_modules: Iterable[str]) -> list[Tensor]:
    """The float parts without those that are kept and those of modules that are."""
    left = set(kept)
    for name in float32_modules:
        module = submodule(model, name)
        left.update((*module.parameters(recurse=False), *module.buffers(recurse=False)))
    return [tensor for tensor in _float_parts(model) if tensor not in left]


def _float_parts(model: nn.Module) -> Iterator[Tensor]:
    """Every float parameter and buffer that no int8 module holds, each once, and tensors that are plain attributes.

    A plain attribute is what CTRL's positions are on transformers 4.57; left alone it would turn everything to fp32.
    """
    seen: set[Tensor] = set()
    for module in model.modules():
        if isinstance(module, Int8Module):
            continue
        attributes = [value for value in vars(module).values() if isinstance(value, Tensor)]
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False), *attributes):
            if tensor.is_floating_point() and tensor not in seen:
                seen.add(tensor)
                yield tensor


def _set_float_dtype(model: nn.Module, dtype: torch.dtype) -> None:
    for module in model.modules():
        if isinstance(module, Int8Embedding | Int8Projection):
            module.float_dtype = dtype
