"""Apply the fusions of a recipe to a model whose modules are int8 already, reversibly."""

from collections.abc import Callable

from torch import nn

from nc_trainer.config.recipe import FusedActivation, Precision, Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.int8.module_tree import names_of, place, submodule
from nc_trainer.int8.nn import Int8Linear, SharedInput


def fuse(model: nn.Module, recipe: Recipe) -> Callable[[], None]:
    """Fuse what the recipe says, where the modules are int8. No key of `state_dict` changes.

    Returns:
        A function that undoes it.

    Raises:
        QuantizationError: the recipe names a module that the model does not have.
    """
    undo: list[Callable[[], None]] = []
    for names in recipe.shared_inputs:
        members = [_linear(model, name) for name in names if _is_int8(recipe, name)]
        if len(members) > 1:
            undo.append(_share(members))
    for name, fused in _fusable_activations(recipe).items():
        undo.append(_take_over(model, _linear(model, name), fused.module, fused.function))

    def undo_all() -> None:
        for step in reversed(undo):
            step()

    return undo_all


def _is_int8(recipe: Recipe, name: str) -> bool:
    return recipe.modules.get(name) is Precision.INT8_DYNAMIC


def _fusable_activations(recipe: Recipe) -> dict[str, FusedActivation]:
    """Of linear layers that are int8, unless another layer that is not needs the same activation module."""
    needed = {fused.module for name, fused in recipe.activations.items() if not _is_int8(recipe, name)}
    return {name: fused for name, fused in recipe.activations.items() if fused.module not in needed}


def _linear(model: nn.Module, name: str) -> Int8Linear:
    module = submodule(model, name)
    if not isinstance(module, Int8Linear):
        raise QuantizationError(f"The recipe fuses `{name}`, which is a {type(module).__name__}, not an int8 layer.")
    return module


def _share(members: list[Int8Linear]) -> Callable[[], None]:
    shared = SharedInput(members)
    for member in members:
        member.shared = shared

    def undo() -> None:
        for member in members:
            member.shared = None

    return undo


def _take_over(model: nn.Module, linear: Int8Linear, name: str, function: str) -> Callable[[], None]:
    """The linear layer applies the activation; its module does nothing, and may be shared by several layers."""
    original = submodule(model, name)
    names = names_of(model, original)
    place(model, names, nn.Identity())
    linear.activation = function

    def undo() -> None:
        linear.activation = "none"
        place(model, names, original)

    return undo
