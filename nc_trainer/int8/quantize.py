"""Turning a model int8 and back by swapping modules. The model is never copied."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.int8.aligned import align_tensors
from nc_trainer.int8.beyond_modules import compute_as
from nc_trainer.int8.float_parts import FloatParts, cast_float_parts
from nc_trainer.int8.module_tree import named_modules, names_of, place, submodule
from nc_trainer.int8.nn import KINDS, Int8Module, share_hooks
from nc_trainer.int8.recipe_check import check_recipe


def quantizable_modules(model: nn.Module, *, embeddings: bool = False) -> dict[str, Precision]:
    """The modules of `model` that can be int8, by name in the model's order, and the precision they take.

    Subclasses are left out: their parents may read `.weight` directly or their `forward` may do more than the
    float module's; so is what `nn.TransformerEncoderLayer` holds, which reads it in a fast path of its own. A module
    that has several names appears under the first; modules without weights never do.

    Args:
        model: any module; it is not changed.
        embeddings: whether `nn.Embedding` tables count.
    """
    found = {}
    read = _read_by_their_parent(model)
    for name, module in named_modules(model):
        kind = KINDS.get(type(module))
        if kind is None or module in read or (kind.precision is Precision.INT8_WEIGHT_ONLY and not embeddings):
            continue
        if name and _weight(module).numel() and getattr(module, "max_norm", None) is None:
            found[name] = kind.precision
    return found


def _read_by_their_parent(model: nn.Module) -> set[nn.Module]:
    layers = (module for module in model.modules() if isinstance(module, nn.TransformerEncoderLayer))
    return {module for layer in layers for module in layer.modules()}


def full_recipe(model: nn.Module, *, embeddings: bool = False) -> Recipe:
    """The recipe in which everything that can be int8 is.

    Raises:
        QuantizationError: nothing in the model can be, or a weight is NaN or infinite.
    """
    modules = quantizable_modules(model, embeddings=embeddings)
    if not modules:
        kinds = ", ".join(kind.__name__ for kind in KINDS)
        raise QuantizationError(
            f"{type(model).__name__} has no module that can become int8; modules of exactly these types can: {kinds}."
        )
    for name in modules:
        if not bool(_weight(submodule(model, name)).isfinite().all()):
            raise QuantizationError(f"The weight of `{name}` holds NaN or infinity: the model is damaged.")
    return Recipe(modules)


def is_int8(model: object) -> bool:
    """Whether `model` is a module that holds one of ours."""
    return isinstance(model, nn.Module) and any(isinstance(module, Int8Module) for module in model.modules())


class ModuleSwapper:
    """Applies recipes to one model in place, as often as asked, and restores it.

    The float modules are kept, and every int8 module is made once, at its first use: going from one recipe
    to the next costs a few attribute assignments.
    """

    def __init__(self, model: nn.Module) -> None:
        align_tensors(model)
        self.model = model
        self._float: dict[str, nn.Module] = {}
        self._int8: dict[tuple[str, tuple[int, ...]], Int8Module] = {}
        self._names: dict[str, list[str]] = {}
        self._float_parts = FloatParts(model)
        self._undo: Callable[[], None] = lambda: None

    def apply(self, recipe: Recipe) -> None:
        """Make the model what the recipe says.

        Raises:
            QuantizationError: the recipe does not fit the model, see `check_recipe`; the model is as it was then.
        """
        check_recipe(self.model, recipe, self._float_module)
        self._undo_rest()
        for name in recipe.modules:
            self._remember(name)
        for name, precision in recipe.modules.items():
            module = self._float[name] if precision is Precision.FLOAT else self._int8_module(name, recipe)
            place(self.model, self._names[name], module)
        if recipe.float_dtype != "float32":
            self._float_parts.cast(getattr(torch, recipe.float_dtype), recipe.float32_modules)
        self._undo = compute_as(self.model, recipe)

    def restore(self) -> None:
        """Make the model what it was."""
        self._undo_rest()
        for name, module in self._float.items():
            place(self.model, self._names[name], module)

    def _undo_rest(self) -> None:
        self._undo()
        self._undo = lambda: None
        self._float_parts.restore()

    def weights(self, recipe: Recipe) -> dict[str, int]:
        """Number of weights of each module that the recipe names."""
        for name in recipe.modules:
            self._remember(name)
        return {name: _weight(self._float[name]).numel() for name in recipe.modules}

    def _float_module(self, name: str) -> nn.Module:
        return self._float[name] if name in self._float else submodule(self.model, name)

    def _remember(self, name: str) -> None:
        if name not in self._float:
            self._float[name] = submodule(self.model, name)
            self._names[name] = names_of(self.model, self._float[name])

    def _int8_module(self, name: str, recipe: Recipe) -> Int8Module:
        key = name, recipe.float_columns.get(name, ())
        if key not in self._int8:
            original = self._float[name]
            self._int8[key] = KINDS[type(original)].from_float(original, **_columns(recipe, name))
            share_hooks(original, self._int8[key])
        return self._int8[key].train(self.model.training)


def swap_in_empty_modules(model: nn.Module, recipe: Recipe) -> dict[str, nn.Module]:
    """Replace the modules that the recipe makes int8 by empty int8 ones, for a checkpoint to fill.

    Returns:
        The modules that were replaced, by name.

    Raises:
        QuantizationError: the recipe does not fit the model, see `check_recipe`; the model is as it was then.
    """
    check_recipe(model, recipe)
    replaced = {name: submodule(model, name) for name in recipe.quantized}
    for name, original in replaced.items():
        with torch.device(_weight(original).device):
            empty = KINDS[type(original)].empty_like(original, **_columns(recipe, name))
        place(model, names_of(model, original), empty)
    return replaced


def finish_loaded(model: nn.Module, recipe: Recipe) -> None:
    """What a model needs, after a checkpoint has filled its int8 modules, to be what the recipe says."""
    align_tensors(model)
    if recipe.float_dtype != "float32":
        cast_float_parts(model, getattr(torch, recipe.float_dtype), recipe.float32_modules)
    compute_as(model, recipe)


def _columns(recipe: Recipe, name: str) -> dict[str, tuple[int, ...]]:
    """What a kind of module that knows columns in float is told of them."""
    return {"columns": recipe.float_columns[name]} if name in recipe.float_columns else {}


def _weight(module: nn.Module) -> Tensor:
    """The weight of a module of one of the kinds in `KINDS`."""
    weight = module.weight
    if not isinstance(weight, Tensor):
        raise QuantizationError(f"{type(module).__name__}.weight is not a tensor.")
    return weight
