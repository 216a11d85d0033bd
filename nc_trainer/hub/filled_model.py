"""Filling a model with the tensors of another program's int8 model."""

from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import CheckpointError
from nc_trainer.hub.quantizer import attach
from nc_trainer.hub.transformers_versions import tied_keys, untie
from nc_trainer.int8.nn import Int8Module
from nc_trainer.int8.quantize import finish_loaded, swap_in_empty_modules


def fill(model: PreTrainedModel, recipe: Recipe, tensors: dict[str, Tensor], source: Path) -> PreTrainedModel:
    """Make a float model what the recipe says, with these tensors.

    Args:
        model: whose weights are overwritten.
        recipe: which modules are int8.
        tensors: what the int8 model's state dict holds, no more and, but for tied weights, no less.
        source: where they come from, for messages.

    Raises:
        CheckpointError: the tensors do not fit the model.
    """
    swap_in_empty_modules(model, recipe)
    untie(model, lambda key: isinstance(model.get_submodule(key.rpartition(".")[0]), Int8Module))
    try:
        missing, unexpected = model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{source} does not fit its config.json: {reason}") from None
    lacking = sorted(set(missing) - tied_keys(model))
    if lacking or unexpected:
        raise CheckpointError(
            f"{source} does not fit {type(model).__name__}: it lacks {lacking[:5] or 'nothing'} and has no place for "
            f"{sorted(unexpected)[:5] or 'nothing'}. Give the config of the model that it was made from."
        )
    model.tie_weights()
    finish_loaded(model, recipe)
    attach(model, recipe)
    return model.eval()
