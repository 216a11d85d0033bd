"""Recipe: which module gets which precision. The one description of a quantized model."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

from nc_trainer.errors import CheckpointError, QuantizationError

FORMAT_VERSION = 3
CHOICES = {
    "float_dtype": ("float32", "bfloat16"),
    "attention": ("model", "native"),
    "padding": ("compute", "skip"),
}
PADDING_SIDES = ("right", "left")
READ_AT = ("first", "last")


class Precision(str, Enum):
    """How one module computes.

    Attributes:
        INT8_DYNAMIC: int8 weights per channel, activations quantized to int8 per token as they come; both symmetric.
        INT8_WEIGHT_ONLY: int8 rows, each with its scale; the result is computed in float. For embeddings.
        FLOAT: a fallback: the module stays as it was, in the recipe's float dtype.
    """

    INT8_DYNAMIC = "int8_dynamic"
    INT8_WEIGHT_ONLY = "int8_weight_only"
    FLOAT = "float"


@dataclass(frozen=True)
class FusedActivation:
    """An activation that the linear layer before it can apply itself.

    Attributes:
        module: name of the module that does nothing then.
        function: one of `nc_trainer.int8.ops.ACTIVATIONS`.
    """

    module: str
    function: str


@dataclass(frozen=True)
class Coverage:
    """What the proof of a recipe covers. A call outside of it is computed the plain way: nothing fused or skipped.

    Attributes:
        tokens: the longest second dimension of an input; None is no limit.
        padding: the sides on which padding may stand where it is skipped: `right`, `left`.
        attention: whether our attention may take the place of the model's.
    """

    tokens: int | None = None
    padding: tuple[str, ...] = ()
    attention: bool = True


@dataclass(frozen=True)
class Recipe:
    """Precision by module name, for every module that can be quantized, and how the rest computes.

    Names are those of `model.named_modules()`. Recipes are immutable, comparable and hashable.

    Attributes:
        modules: precision by name.
        float_dtype: dtype of everything that is not int8, `float32` or `bfloat16`.
        shared_inputs: linear modules that are given the same tensor one after the other; those of a group that are
            int8 are computed in one call.
        activations: by the name of a linear module, the activation that follows it and is applied by it while it
            is int8.
        attention: `model` for the model's own, `native` for the one of `nc_trainer.int8.ops`, and for its linear
            layers and activations where something stays in fp32.
        padding: `compute` or `skip`: whether the layers in `token_wise` compute the rows of tokens that are masked
            out.
        token_wise: linear modules whose input has a row for each token of the batch and no other.
        read_rows: by the name of a linear module whose input has a row for each token, where alone the model reads its
            output: at the `first` token of each row of the batch, or at the `last`; others need not be computed.
        float32_after: where the rest is bfloat16, the output of this module is cast to float32, as what follows
            computes in it; empty for none.
        float32_modules: the modules whose own parameters and buffers stay float32 for that.
        coverage: for which calls all this was proven.
        float_columns: by the name of a linear module that is int8, the columns of its input, in rising order, that it
            multiplies in float beside the others; nothing is kept of modules in float.
    """

    modules: Mapping[str, Precision]
    float_dtype: str = "float32"
    shared_inputs: tuple[tuple[str, ...], ...] = ()
    activations: Mapping[str, FusedActivation] = field(default_factory=dict)
    attention: str = "model"
    padding: str = "compute"
    token_wise: tuple[str, ...] = ()
    read_rows: Mapping[str, str] = field(default_factory=dict)
    float32_after: str = ""
    float32_modules: tuple[str, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    float_columns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, known in CHOICES.items():
            if getattr(self, key) not in known:
                raise QuantizationError(
                    f"Recipe: {key} `{getattr(self, key)}` is not supported; use {' or '.join(known)}."
                )
        frozen = {name: Precision(value) for name, value in self.modules.items()}
        object.__setattr__(self, "modules", MappingProxyType(frozen))
        object.__setattr__(self, "shared_inputs", tuple(tuple(group) for group in self.shared_inputs))
        object.__setattr__(self, "activations", MappingProxyType(dict(self.activations)))
        object.__setattr__(self, "token_wise", tuple(self.token_wise))
        object.__setattr__(self, "read_rows", MappingProxyType(dict(self.read_rows)))
        object.__setattr__(self, "float32_modules", tuple(self.float32_modules))
        columns = {
            name: tuple(columns)
            for name, columns in self.float_columns.items()
            if columns and self.modules.get(name) is not Precision.FLOAT
        }
        object.__setattr__(self, "float_columns", MappingProxyType(columns))

    def __hash__(self) -> int:
        return hash((frozenset(self.modules.items()), self.float_dtype, self.attention, self.padding))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.to_dict(),)

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
        return replace(self, modules=kept)

    def with_float_columns(self, columns: Mapping[str, Sequence[int]]) -> "Recipe":
        """The same recipe with these columns of these modules' inputs in float, and no others."""
        return replace(self, float_columns={name: tuple(numbers) for name, numbers in columns.items()})

    def only(self, names: Iterable[str]) -> "Recipe":
        """The same recipe with every module but these in float."""
        return self.with_fallbacks(set(self.modules) - set(names))

    def with_rest_in(self, float_dtype: str) -> "Recipe":
        """The same recipe with the rest in another float dtype, and our attention where the proof covers that."""
        return replace(self, float_dtype=float_dtype, attention="native" if self.coverage.attention else "model")

    def with_float_dtype(self, float_dtype: str) -> "Recipe":
        """`with_rest_in` by its earlier name."""
        return self.with_rest_in(float_dtype)

    def fused(self, shared_inputs: Iterable[tuple[str, ...]], activations: Mapping[str, FusedActivation]) -> "Recipe":
        """The same recipe with these fusions and no others."""
        return replace(self, shared_inputs=tuple(shared_inputs), activations=activations)

    def in_float(self) -> "Recipe":
        """The model as it was: every module in float, fp32, its own attention, nothing fused."""
        return Recipe(dict.fromkeys(self.modules, Precision.FLOAT))

    def without_prefix(self, prefix: str, present: Container[str]) -> "Recipe":
        """What the recipe says of modules whose names begin with `prefix`, in their names without it.

        What is inside has no head that reads a few rows: all are computed.

        Args:
            prefix: with its dot.
            present: the names without prefix that are wanted; the others are left out.
        """
        inner = {name: name.removeprefix(prefix) for name in self.modules if name.startswith(prefix)}
        kept = {name: new for name, new in inner.items() if new in present}
        return replace(
            self,
            modules={new: self.modules[name] for name, new in kept.items()},
            shared_inputs=tuple(
                tuple(kept[name] for name in group) for group in self.shared_inputs if kept.keys() >= set(group)
            ),
            activations={
                kept[name]: FusedActivation(fused.module.removeprefix(prefix), fused.function)
                for name, fused in self.activations.items()
                if name in kept
            },
            token_wise=tuple(kept[name] for name in self.token_wise if name in kept),
            read_rows={},
            float_columns={kept[name]: columns for name, columns in self.float_columns.items() if name in kept},
            float32_after=self.float32_after.removeprefix(prefix) if self.float32_after.startswith(prefix) else "",
            float32_modules=tuple(
                name.removeprefix(prefix)
                for name in self.float32_modules
                if name.startswith(prefix) and name.removeprefix(prefix) in present
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `from_dict` reads it back."""
        return {
            "format_version": FORMAT_VERSION,
            "float_dtype": self.float_dtype,
            "attention": self.attention,
            "padding": self.padding,
            "modules": {name: value.value for name, value in self.modules.items()},
            "shared_inputs": [list(group) for group in self.shared_inputs],
            "activations": {name: [fused.module, fused.function] for name, fused in self.activations.items()},
            "token_wise": list(self.token_wise),
            "read_rows": dict(self.read_rows),
            "float32_after": self.float32_after,
            "float32_modules": list(self.float32_modules),
            "coverage": {**asdict(self.coverage), "padding": list(self.coverage.padding)},
            "float_columns": {name: list(columns) for name, columns in self.float_columns.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recipe":
        """Read what `to_dict` wrote, also what earlier versions wrote.

        Version 1 knew only modules and float dtype. Version 2 did not know for which layers and calls skipped padding
        holds, so that its padding is computed.

        Raises:
            CheckpointError: a key is missing or unknown, or the version or a precision is not known here.
        """
        data = _upgraded(data)
        _check_keys(data)
        known = [precision.value for precision in Precision]
        for name, value in data["modules"].items():
            if value not in known:
                raise CheckpointError(f"Recipe: module `{name}` has precision {value!r}, expected one of {known}.")
        return cls(
            {name: Precision(value) for name, value in data["modules"].items()},
            data["float_dtype"],
            tuple(tuple(group) for group in data["shared_inputs"]),
            {name: FusedActivation(*fused) for name, fused in data["activations"].items()},
            data["attention"],
            data["padding"],
            tuple(data["token_wise"]),
            data["read_rows"],
            data["float32_after"],
            tuple(data["float32_modules"]),
            _coverage(data["coverage"]),
            data["float_columns"],
        )


FIRST_VERSION = {"attention": "model", "padding": "compute", "shared_inputs": [], "activations": {}}
ADDED: dict[str, dict[str, Any]] = {"read_rows": {}, "float_columns": {}}
"""What a description of the current version may leave out."""
SECOND_VERSION = {
    "token_wise": [],
    "float32_after": "",
    "float32_modules": [],
    "coverage": {"tokens": None, "padding": [], "attention": True},
}
KEYS = {
    "format_version": int,
    "float_dtype": str,
    "attention": str,
    "padding": str,
    "modules": Mapping,
    "shared_inputs": list,
    "activations": Mapping,
    "token_wise": list,
    "read_rows": Mapping,
    "float32_after": str,
    "float32_modules": list,
    "coverage": Mapping,
    "float_columns": Mapping,
}


def _upgraded(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What any version wrote that is known, as this one writes it."""
    version = data.get("format_version", FORMAT_VERSION)
    if version not in (1, 2, FORMAT_VERSION):
        raise CheckpointError(
            f"Recipe: format_version {version!r} is not known, expected {FORMAT_VERSION} or an older one. "
            "The model was probably written by a newer nc_trainer: upgrade it."
        )
    if version == FORMAT_VERSION:
        return {**ADDED, **data}
    missing = {**FIRST_VERSION, **SECOND_VERSION} if version == 1 else SECOND_VERSION
    return {**ADDED, **missing, **data, "format_version": FORMAT_VERSION}


def _check_keys(data: Mapping[str, Any]) -> None:
    if set(data) != set(KEYS):
        raise CheckpointError(f"Recipe: expected the keys {sorted(KEYS)}, found {sorted(data)}.")
    for key, kind in KEYS.items():
        if not isinstance(data[key], kind):
            raise CheckpointError(f"Recipe: `{key}` is {data[key]!r}, expected a {kind.__name__}.")
    names = [name for group in data["shared_inputs"] for name in (group if isinstance(group, list) else [None])]
    pairs = [item for fused in data["activations"].values() for item in (fused if _is_pair(fused) else [None])]
    if not all(isinstance(item, str) for item in (*names, *pairs, *data["token_wise"], *data["float32_modules"])):
        raise CheckpointError(
            "Recipe: expected `shared_inputs` to be lists of module names, "
            "`activations` pairs of module and function, and `token_wise` and `float32_modules` module names."
        )
    if not all(isinstance(position, str) and position in READ_AT for position in data["read_rows"].values()):
        raise CheckpointError(f"Recipe: `read_rows` is {data['read_rows']!r}, expected modules with one of {READ_AT}.")
    if not all(_are_columns(columns) for columns in data["float_columns"].values()):
        raise CheckpointError(
            f"Recipe: `float_columns` is {data['float_columns']!r}, expected lists of column numbers in rising order."
        )


def _are_columns(value: Any) -> bool:
    if not isinstance(value, list) or not all(type(number) is int and number >= 0 for number in value):
        return False
    return bool(value) and value == sorted(set(value))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _coverage(data: Mapping[str, Any]) -> Coverage:
    if set(data) != {field.name for field in fields(Coverage)}:
        raise CheckpointError(
            f"Recipe: expected `coverage` to have tokens, padding and attention, found {sorted(data)}."
        )
    tokens, padding, attention = data["tokens"], data["padding"], data["attention"]
    known = isinstance(padding, list) and all(side in PADDING_SIDES for side in padding)
    is_number = tokens is None or (type(tokens) is int and tokens > 0)
    if not is_number or not known or not isinstance(attention, bool):
        raise CheckpointError(
            f"Recipe: `coverage` is {dict(data)!r}, expected a number, sides {PADDING_SIDES} and a bool."
        )
    return Coverage(tokens, tuple(padding), attention)
