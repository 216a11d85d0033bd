"""A module that stands in a model under several names is saved once, and is one module again after loading."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.logits import logits
from safetensors import safe_open
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
    T5Config,
    T5ForTokenClassification,
    set_seed,
)

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.module_tree import repeated_keys
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe


class OneLayerTwice(BertForSequenceClassification):
    """Both of its layers are the same module, as some of Zamba's are on transformers 4.57."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert.encoder.layer[1] = self.bert.encoder.layer[0]


def one_layer_twice() -> PreTrainedModel:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 64}
    return OneLayerTwice(BertConfig(num_hidden_layers=2, **sizes))


def one_embedding_twice() -> PreTrainedModel:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "vocab_size": 64}
    return T5ForTokenClassification(T5Config(**sizes))


@pytest.mark.parametrize("build", [one_layer_twice, one_embedding_twice])
def test_reload_is_bit_equal(build: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    set_seed(0)
    model = build().eval()
    recipe = full_recipe(model, embeddings=True)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save_for_huggingface_upstream(model, None, tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert not set(file.keys()) & repeated_keys(model)
    loaded = type(model).from_pretrained(tmp_path)
    assert torch.equal(logits(loaded), logits(model))
    assert repeated_keys(loaded) == repeated_keys(model)


def test_keys_of_the_second_name() -> None:
    keys = repeated_keys(one_layer_twice())
    assert "bert.encoder.layer.1.attention.self.query.weight" in keys
    assert all(key.startswith("bert.encoder.layer.1.") for key in keys)
