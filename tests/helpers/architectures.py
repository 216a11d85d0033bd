"""A small model of each architecture of the original's table, built from nothing."""

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForSequenceClassification, PreTrainedModel, set_seed

import nc_trainer  # noqa: F401 - repairs Transformer-XL

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
if "transfo-xl" in CONFIG_MAPPING:  # transformers 5 does not have it
    sizes = {"d_model": 32, "d_embed": 32, "n_layer": 2, "n_head": 4, "d_head": 8, "d_inner": 48, "mem_len": 8}
    CONFIGS["transfo-xl"] = sizes | {"cutoffs": [20, 40], "div_val": 2}


def small(name: str, **changes: Any) -> PreTrainedModel:
    set_seed(0)
    config = AutoConfig.for_model(name, **(SMALL | CONFIGS[name] | changes))
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases start at zero, and what becomes zero would not be noticed
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    return model
