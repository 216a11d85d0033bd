"""Whether a recipe fits a model: everything that it names exists and is of the kind that it says."""

from collections import Counter
from collections.abc import Callable

from torch import nn

from nc_trainer.config.recipe import FusedActivation, Precision, Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.int8.module_tree import submodule
from nc_trainer.int8.nn import KINDS, FloatActivation, TakenOver
from nc_trainer.int8.ops.activations import activation_of

Lookup = Callable[[str], nn.Module]


def check_recipe(model: nn.Module, recipe: Recipe, lookup: Lookup | None = None) -> None:
    """Check every entry of a recipe before anything of it is applied.

    Args:
        model: in float; its weights may be empty.
        recipe: of any origin.
        lookup: the float module of a name, where the model holds others; the model's own if left out.

    Raises:
        QuantizationError: a module does not exist, has two names, cannot have its precision, cannot share an input
            with the rest of its group or stands in two groups, or has no such columns; an activation is none, or is
            not the function named.
    """

    def find(name: str) -> nn.Module:
        module = submodule(model, name) if lookup is None else lookup(name)
        while isinstance(module, FloatActivation | TakenOver):
            module = module.activation
        return module

    names: dict[nn.Module, str] = {}
    for name, precision in recipe.modules.items():
        module = find(name)
        check_precision(name, module, precision)
        if names.setdefault(module, name) != name:
            raise QuantizationError(f"The recipe names one module as `{names[module]}` and as `{name}`: expected one.")
    _check_groups(recipe, find)
    for name, fused in recipe.activations.items():
        _check_linear(recipe, name, "activations")
        _check_activation(name, fused, find(fused.module))
    for name in recipe.token_wise:
        _check_linear(recipe, name, "token_wise")
    for name in recipe.read_rows:
        _check_linear(recipe, name, "read_rows")
    for name, columns in recipe.float_columns.items():
        _check_linear(recipe, name, "float_columns")
        _check_columns(name, columns, find(name))
    for name in (*recipe.float32_modules, *([recipe.float32_after] if recipe.float32_after else [])):
        find(name)


def check_precision(name: str, module: nn.Module, precision: Precision) -> None:
    """Whether `module` can compute in this precision.

    Raises:
        QuantizationError: it cannot.
    """
    kind = KINDS.get(type(module))
    if precision is not Precision.FLOAT and (kind is None or kind.precision is not precision):
        raise QuantizationError(
            f"The recipe makes `{name}` {precision.value}, which a {type(module).__name__} cannot be."
        )


def _check_groups(recipe: Recipe, find: Lookup) -> None:
    counts = Counter(name for group in recipe.shared_inputs for name in group)
    for name, count in counts.items():
        if count > 1:
            raise QuantizationError(f"The recipe names `{name}` {count} times in `shared_inputs`, expected once.")
        _check_linear(recipe, name, "shared_inputs")
    for group in recipe.shared_inputs:
        widths = {name: _in_features(find(name)) for name in group}
        if len(group) < 2 or len(set(widths.values())) > 1:
            raise QuantizationError(
                f"The recipe has {widths} share one input: expected two or more layers with as many input features."
            )


def _check_linear(recipe: Recipe, name: str, key: str) -> None:
    """Fallbacks may be named: what is fused is a property of the model, and holds for every trial."""
    if recipe.modules.get(name) not in (Precision.INT8_DYNAMIC, Precision.FLOAT):
        raise QuantizationError(f"The recipe names `{name}` in `{key}`, which is no linear layer of its `modules`.")


def _check_activation(name: str, fused: FusedActivation, module: nn.Module) -> None:
    found = activation_of(module)
    if found is None or found != fused.function:
        raise QuantizationError(
            f"The recipe has `{name}` apply {fused.function!r} in place of `{fused.module}`, "
            f"which is a {type(module).__name__}{f' and computes {found!r}' if found else ', no known activation'}."
        )


def _check_columns(name: str, columns: tuple[int, ...], module: nn.Module) -> None:
    width = _in_features(module)
    if width is None or columns[0] < 0 or columns[-1] >= width or list(columns) != sorted(set(columns)):
        raise QuantizationError(
            f"The recipe keeps the columns {list(columns)} of `{name}` in float, expected column numbers in rising "
            f"order of a linear layer: it is a {type(module).__name__} with {width or 'no such'} input features."
        )


def _in_features(module: nn.Module) -> int | None:
    for attribute in ("in_features", "nx"):
        if hasattr(module, attribute):
            return int(getattr(module, attribute))
    return None
