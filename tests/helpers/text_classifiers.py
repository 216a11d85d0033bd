"""Tiny text classifiers of families whose attention goes through transformers' interface, and rows for them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel, set_seed

# Sizes that are no multiples of a vector, so that a last bit that depends on where a row stands would show.
SIZES = {"hidden_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 52}
COMMON = {"vocab_size": 60, "num_labels": 3, "pad_token_id": 0, "max_position_embeddings": 80}
GROUPED = SIZES | {"num_key_value_heads": 2}
OF_HEADS = GROUPED | {"head_dim": 10}
GPT = {"n_embd": 40, "n_layer": 2, "n_head": 4, "n_positions": 80}
LOCAL = {"local_attention": 8, "global_attn_every_n_layers": 2, "bos_token_id": 1, "eos_token_id": 2}
BART = {
    "d_model": 40,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 52,
    "decoder_ffn_dim": 52,
    "eos_token_id": 2,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "roberta": SIZES,
    "xlm-roberta": SIZES,
    "electra": SIZES | {"embedding_size": 40},
    "albert": SIZES | {"embedding_size": 20},
    "distilbert": {"dim": 40, "n_layers": 2, "n_heads": 4, "hidden_dim": 52},
    "modernbert": SIZES | LOCAL,
    "gpt2": GPT,
    "gpt_neox": SIZES,
    "opt": SIZES | {"word_embed_proj_dim": 40, "ffn_dim": 52},
    "llama": GROUPED,
    "mistral": GROUPED,
    "qwen2": GROUPED,
    "qwen3": OF_HEADS,
    "gemma": OF_HEADS,
    "bart": BART,
}
FIRST, LAST = 1, 2


def text_classifier(name: str) -> PreTrainedModel:
    """With weights so large that every layer counts."""
    set_seed(0)
    config = AutoConfig.for_model(name, **(COMMON | CONFIGS[name]))
    model = AutoModelForSequenceClassification.from_config(config).eval()
    for key, parameter in model.named_parameters():
        if parameter.dim() == 2 and "embed" not in key and "shared" not in key:
            nn.init.normal_(parameter, std=0.8 / parameter.shape[1] ** 0.5)
    return model


def sequences(lengths: Sequence[int], seed: int = 0) -> list[Tensor]:
    """Rows of token ids that begin and end as sequences do."""
    generator = torch.Generator().manual_seed(seed)
    bodies = (torch.randint(6, 60, (length - 2,), generator=generator) for length in lengths)
    return [torch.cat([torch.tensor([FIRST]), body, torch.tensor([LAST])]) for body in bodies]


def padded(rows: Sequence[Tensor], tokens: int, side: str = "right") -> dict[str, Tensor]:
    """One batch of these rows, with a mask."""
    ids = torch.zeros(len(rows), tokens, dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, slice(0, len(row)) if side == "right" else slice(tokens - len(row), tokens)] = row
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}
