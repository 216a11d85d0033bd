"""An output layer that shares the embedding's table: each is int8 or float on its own, and comes back so."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.architectures import CONFIGS, SMALL
from helpers.logits import logits
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PreTrainedModel,
    set_seed,
)

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

HEADS = {
    "bert": AutoModelForMaskedLM,
    "albert": AutoModelForMaskedLM,
    "xlnet": AutoModelForCausalLM,
    "gpt2": AutoModelForCausalLM,
    "ctrl": AutoModelForCausalLM,
    "bart": AutoModelForSeq2SeqLM,
    "mbart": AutoModelForSeq2SeqLM,
    "funnel": AutoModelForMaskedLM,
}


def tied(name: str) -> PreTrainedModel:
    set_seed(0)
    model = HEADS[name].from_config(AutoConfig.for_model(name, **(SMALL | CONFIGS[name]))).eval()
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    return model


def output_layer(model: PreTrainedModel) -> str:
    return next(name for name, module in model.named_modules() if module is model.get_output_embeddings())


@pytest.mark.parametrize("output", ["int8", "float"])
@pytest.mark.parametrize("embeddings", [False, True], ids=["float-embedding", "int8-embedding"])
@pytest.mark.parametrize("name", list(HEADS))
def test_reload_is_bit_equal(name: str, embeddings: bool, output: str, tmp_path: Path) -> None:
    model = tied(name)
    head = output_layer(model)
    recipe = full_recipe(model, embeddings=embeddings).with_fallbacks([head] if output == "float" else [])
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    quantized = logits(model)
    save_for_huggingface_upstream(model, None, tmp_path)
    loaded: Any = HEADS[name].from_pretrained(tmp_path)
    assert torch.equal(logits(loaded), quantized)
    again = tmp_path / "again"
    loaded.save_pretrained(again)
    assert torch.equal(logits(HEADS[name].from_pretrained(again)), quantized)


def test_restoring_leaves_the_layers_tied() -> None:
    model = tied("gpt2")
    swapper = ModuleSwapper(model)
    swapper.apply(full_recipe(model, embeddings=True).with_rest_in("bfloat16"))
    swapper.restore()
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
