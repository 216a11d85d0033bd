"""Recipe: which module gets which precision. The one description of a quantized model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from nc_trainer.errors import CheckpointError, QuantizationError

FORMAT_VERSION = 1


class Precision(str, Enum):
    """How one module computes."""

    INT8_DYNAMIC = "int8_dynamic"
    """int8 weights per channel, activations quantized to int8 per token as they come; both symmetric."""
    INT8_WEIGHT_ONLY = "int8_weight_only"
    """int8 rows, each with its scale; the result is computed in float. For embeddings."""
    FLOAT = "float"
    """A fallback: the module stays as it was, in the recipe's float dtype."""


@dataclass(frozen=True)
class Recipe:
    """Precision by module name, for every module that can be quantized, and the float dtype of the rest.

    Names are those of `model.named_modules()`. Recipes are immutable, comparable and hashable.
    """

    modules: Mapping[str, Precision]
    float_dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.float_dtype != "float32":
            raise QuantizationError(f"Recipe: float dtype `{self.float_dtype}` is not supported; use `float32`.")
        frozen = {name: Precision(value) for name, value in self.modules.items()}
        object.__setattr__(self, "modules", MappingProxyType(frozen))

    def __hash__(self) -> int:
        return hash((frozenset(self.modules.items()), self.float_dtype))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self.modules), self.float_dtype)

    @property
    def quantized(self) -> tuple[str, ...]:
        """Names of the modules that compute in int8."""
        return tuple(name for name, value in self.modules.items() if value is not Precision.FLOAT)

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Names of the modules that could be int8 and stay in float."""
        return tuple(name for name, value in self.modules.items() if value is Precision.FLOAT)

    def with_fallbacks(self, names: Iterable[str]) -> "Recipe":
        """The same recipe with these modules in float."""
        chosen = set(names)
        unknown = chosen - set(self.modules)
        if unknown:
            raise QuantizationError(f"Recipe: no such modules: {sorted(unknown)}.")
        kept = {name: Precision.FLOAT if name in chosen else value for name, value in self.modules.items()}
        return Recipe(kept, self.float_dtype)

    def only(self, names: Iterable[str]) -> "Recipe":
        """The same recipe with every module but these in float."""
        return self.with_fallbacks(set(self.modules) - set(names))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `from_dict` reads it back."""
        modules = {name: value.value for name, value in self.modules.items()}
        return {"format_version": FORMAT_VERSION, "float_dtype": self.float_dtype, "modules": modules}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recipe":
        """Read what `to_dict` wrote.

        Raises:
            CheckpointError: a key is missing or unknown, or the version or a precision is not known here.
        """
        _check_keys(data)
        if data["format_version"] != FORMAT_VERSION:
            raise CheckpointError(
                f"Recipe: format_version {data['format_version']!r} is not known, expected {FORMAT_VERSION}. "
                "The model was probably written by a newer nc_trainer: upgrade it."
            )
        known = [precision.value for precision in Precision]
        for name, value in data["modules"].items():
            if value not in known:
                raise CheckpointError(f"Recipe: module `{name}` has precision {value!r}, expected one of {known}.")
        return cls({name: Precision(value) for name, value in data["modules"].items()}, data["float_dtype"])


def _check_keys(data: Mapping[str, Any]) -> None:
    expected = {"format_version", "float_dtype", "modules"}
    if set(data) != expected or not isinstance(data["modules"], Mapping):
        raise CheckpointError(
            f"Recipe: expected the keys {sorted(expected)} with `modules` a mapping, found {sorted(data)}."
        )
