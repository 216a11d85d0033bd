"""Apply the fusions of a recipe to a model whose modules are int8 already, reversibly."""

from collections.abc import Callable

from torch import nn

from nc_trainer.config.recipe import FusedActivation, Precision, Recipe
from nc_trainer.int8.module_tree import names_of, place, submodule
from nc_trainer.int8.nn import Int8Linear, SharedInput, TakenOver, has_hooks, share_hooks


def fuse(model: nn.Module, recipe: Recipe) -> Callable[[], None]:
    """Fuse what the recipe says, where the modules are int8. No key of `state_dict` changes.

    A layer that takes an activation over, or multiplies columns in float, is computed on its own, also if it shares
    its input. Where somebody watches a layer or its activation with hooks, the two stay apart, so that the hooks see
    what they saw in float.

    Args:
        model: its modules are what the recipe says.
        recipe: checked against the model, see `nc_trainer.int8.recipe_check`.

    Returns:
        A function that undoes it.
    """
    undo = _take_over_activations(model, recipe)
    for names in recipe.shared_inputs:
        members = [module for name in names if isinstance(module := submodule(model, name), Int8Linear)]
        members = [member for member in members if member.activation == "none" and not member.columns]
        if len(members) > 1:
            undo.append(_share(members))

    def undo_all() -> None:
        for step in reversed(undo):
            step()

    return undo_all


def _take_over_activations(model: nn.Module, recipe: Recipe) -> list[Callable[[], None]]:
    undo: list[Callable[[], None]] = []
    for name, fused in recipe.activations.items():
        linear, activation = submodule(model, name), submodule(model, fused.module)
        int8 = recipe.modules.get(name) is Precision.INT8_DYNAMIC
        if int8 and isinstance(linear, Int8Linear) and not has_hooks(linear) and not has_hooks(activation):
            undo.append(_take_over(model, linear, activation, fused))
    return undo


def _share(members: list[Int8Linear]) -> Callable[[], None]:
    shared = SharedInput(members)
    for member in members:
        member.shared = shared

    def undo() -> None:
        for member in members:
            member.shared = None

    return undo


def _take_over(
    model: nn.Module, linear: Int8Linear, activation: nn.Module, fused: FusedActivation
) -> Callable[[], None]:
    """The linear layer applies the activation, whose module may serve several layers."""
    names = [] if isinstance(activation, TakenOver) else names_of(model, activation)
    if names:
        stand_in = TakenOver(activation).train(activation.training)
        share_hooks(activation, stand_in)
        place(model, names, stand_in)
    linear.activation = fused.function

    def undo() -> None:
        linear.activation = "none"
        place(model, names, activation)

    return undo
