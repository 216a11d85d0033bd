"""Fake quantization of a model in place, by a recipe, and back."""

from collections.abc import Callable

from torch import nn
from transformers.pytorch_utils import Conv1D

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.module_tree import names_of, submodule
from nc_trainer.int8.nn import Projection
from nc_trainer.int8.recipe_check import check_recipe
from nc_trainer.int8.training.modules import (
    FakeQuantConv1D,
    FakeQuantEmbedding,
    FakeQuantLinear,
    FakeQuantProjection,
)

FAKE_QUANTIZED: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: FakeQuantLinear,
    Conv1D: FakeQuantConv1D,
    nn.Embedding: FakeQuantEmbedding,
}
"""By the type of a float module, what computes with its parameters as int8 would. Bare parameters stand beside it."""


def fake_quantize(model: nn.Module, recipe: Recipe) -> Callable[[], None]:
    """Let the modules that are int8 in the recipe compute so, with gradients by their float weights.

    Modules stay the objects that they are and only change their class, so that parameters, their names and order,
    hooks, optimizers and checkpoints are those of the float model. Everything else computes in float: of the recipe
    only `modules` is looked at. In float32 the logits have the bits of the int8 model's, but for activations that int8
    layers apply themselves, see `nc_trainer.int8.ops.int8_linear`.

    Args:
        model: in float.
        recipe: names modules of it.

    Returns:
        A function that undoes it. Weights stay what training made of them.

    Raises:
        QuantizationError: the recipe does not fit the model; it is as it was then.
    """
    check_recipe(model, recipe)
    undo = [_exchange(model, submodule(model, name)) for name in recipe.quantized]

    def undo_all() -> None:
        for step in reversed(undo):
            step()

    return undo_all


def _exchange(model: nn.Module, module: nn.Module) -> Callable[[], None]:
    if isinstance(module, Projection):
        return _stand_before(model, module)
    original = type(module)
    module.__class__ = FAKE_QUANTIZED[original]

    def undo() -> None:
        module.__class__ = original

    return undo


def _stand_before(model: nn.Module, projection: Projection) -> Callable[[], None]:
    """An attribute of the instance is found before the parameter of the same name, which stays registered."""
    places = [name.rpartition(".") for name in names_of(model, projection)]
    holders = [(model.get_submodule(parent), leaf) for parent, _, leaf in places]
    for holder, leaf in holders:
        vars(holder)[leaf] = FakeQuantProjection(projection)

    def undo() -> None:
        for holder, leaf in holders:
            del vars(holder)[leaf]

    return undo
