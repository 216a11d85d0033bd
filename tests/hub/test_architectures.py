"""Every architecture of the original's table saves and reloads bit-equal, with and without int8 embeddings."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel, set_seed

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.quantize import ModuleSwapper, full_recipe

SMALL = {"vocab_size": 60, "num_labels": 3, "pad_token_id": 1}
HEADS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 40,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": HEADS,
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "albert": HEADS | {"embedding_size": 16},
    "roberta": HEADS,
    "xlm-roberta": HEADS,
    "funnel": {"block_sizes": [1, 1], "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 48, "num_decoder_layers": 1},
    "bart": BART,
    "mbart": BART,
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40},
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48},
    "ctrl": {"n_embd": 32, "n_layer": 2, "n_head": 4, "dff": 48, "n_positions": 40},
    "xlm": {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 40},
}
IDS = torch.tensor([[5, 6, 7, 8, 2], [9, 10, 11, 12, 2]])  # 2 ends a sequence for BART


def small(name: str) -> PreTrainedModel:
    set_seed(0)
    config = AutoConfig.for_model(name, **(SMALL | CONFIGS[name]))
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases start at zero, and what becomes zero would not be noticed
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    return model


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


@pytest.mark.parametrize("embeddings", [False, True], ids=["linear", "linear-and-embeddings"])
@pytest.mark.parametrize("name", list(CONFIGS))
def test_reload_is_bit_equal(name: str, embeddings: bool, tmp_path: Path) -> None:
    model = small(name)
    before = logits(model)
    recipe = full_recipe(model, embeddings=embeddings)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    quantized = logits(model)
    assert not torch.equal(quantized, before)
    assert bool(quantized.isfinite().all())
    save_for_huggingface_upstream(model, None, tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(loaded) is type(model)
    assert torch.equal(logits(loaded), quantized)


def test_gpt2_is_int8_in_every_layer() -> None:
    modules = full_recipe(small("gpt2")).modules
    assert [name for name in modules if ".h.0." in name] == [
        f"transformer.h.0.{part}" for part in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    ]
