"""Quantizing without a search, where there is nothing to judge by."""

import logging

from torch import nn
from transformers import PreTrainedModel

from nc_trainer.compat.loader_search import example_inputs
from nc_trainer.config import TuningConfig
from nc_trainer.config.recipe import Recipe
from nc_trainer.hub import attach
from nc_trainer.int8.checked_model import checked_model, searchable
from nc_trainer.int8.proof import proven, without_refused
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.search.constraints import constrain_model

logger = logging.getLogger(__name__)


def allowed_recipe(model: PreTrainedModel, config: TuningConfig) -> Recipe:
    """Everything in int8 that the model and the configuration allow.

    Raises:
        ConfigError: the configuration does not fit the model.
        QuantizationError: nothing can be int8.
    """
    recipe = full_recipe(model, embeddings=config.quantization.embeddings)
    able, _ = without_refused(ModuleSwapper(model), recipe, example_inputs(model))
    return constrain_model(config.quantization, able, model).recipe


def quantize_unjudged(model: nn.Module, config: TuningConfig) -> PreTrainedModel:
    """Everything in int8 that the configuration allows, in place. What that costs in accuracy is not known.

    Raises:
        ConfigError: the configuration does not fit the model.
        QuantizationError: the model cannot be quantized.
    """
    checked = checked_model(model)
    with searchable(checked):
        swapper = ModuleSwapper(checked)
        inputs = example_inputs(checked)
        recipe = full_recipe(checked, embeddings=config.quantization.embeddings)
        able, notes = without_refused(swapper, recipe, inputs)
        proof = proven(swapper, _constrained(checked, able, config), inputs)
        swapper.apply(proof.recipe)
        attach(checked, proof.recipe)
    for note in (*notes, *proof.notes):
        logger.warning(note)
    logger.warning(
        "%d modules are int8 and nothing was evaluated, so what that costs in accuracy is not known: "
        "give `eval_func` to search for a model that keeps it.",
        len(proof.recipe.quantized),
    )
    return checked


def _constrained(model: PreTrainedModel, recipe: Recipe, config: TuningConfig) -> Recipe:
    recipe = constrain_model(config.quantization, recipe, model).recipe
    wanted = config.quantization.float_dtype
    return recipe.with_rest_in("float32" if wanted == "auto" else wanted)  # `auto` is subject to a criterion
