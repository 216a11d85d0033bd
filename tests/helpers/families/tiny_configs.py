"""A tiny config of every model class of transformers, most of it derived from the settings of the config class."""

import re
from collections.abc import Mapping
from typing import Any

from helpers.families.picture_sizes import PICTURES
from helpers.families.sound_sizes import SOUNDS
from helpers.families.text_sizes import TEXT
from transformers import PretrainedConfig

OVERRIDES = TEXT | PICTURES | SOUNDS
HEADS = r"(num_|n_)?(hidden_)?(encoder_|decoder_|self_|cross_)?(attention_)?heads?"
LAYERS = r"(num_|n_)?(hidden_)?(encoder_|decoder_|text_|vision_)?layers?(_num)?"
SIZES: dict[str, Any] = {
    r"\w*vocab_size": 96,
    r"hidden_size|d_model|dim|n_embd|emb_dim|embed_dim|hidden_dim|word_embed_proj_dim|projection_dim": 32,
    r"embedding_size|entity_emb_size|d_embed|kv_lora_rank|q_lora_rank|mamba_dt_rank|rope_dim": 16,
    rf"{LAYERS}|num_blocks": 2,
    rf"{HEADS}|num_(self|cross)_attention_heads": 4,
    r"num_key_value_heads": 2,
    r"head_dim|d_head|d_kv|qk_nope_head_dim|qk_rope_head_dim|v_head_dim": 8,
    r"\w*intermediate_size|\w*ffn_dim|n_inner|d_ff|d_inner|dff|ffn_hidden_size": 48,
    r"max_position_embeddings|n_positions|n_ctx|max_seq_len(gth)?|max_2d_position_embeddings|max_target_positions": 64,
    r"num_(local_)?experts|n_routed_experts": 4,
    r"image_size": 32,
    r"patch_size": 8,
    r"pad_token_id": 1,
    r"eos_token_id": 2,
    r"bos_token_id|decoder_start_token_id": 0,
}


def tiny_config(config_class: type[PretrainedConfig], model_class: str) -> PretrainedConfig:
    """A config of `config_class` in which every size is small.

    Args:
        model_class: the name of the class that will be built from it; it picks the overrides.
    """
    overrides = OVERRIDES.get(config_class.model_type, {}) | OVERRIDES.get(model_class, {})
    return config_class(**_arguments(config_class, overrides))


def _arguments(config_class: type[PretrainedConfig], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of the config: known sizes, the same of configs inside it, and the overrides."""
    default = config_class()
    small = {name: _size(name, value) for name, value in default.to_dict().items()}
    arguments = {name: value for name, value in small.items() if value is not None}
    for name in small:
        inner = getattr(default, name, None)
        if isinstance(inner, PretrainedConfig):
            chosen = _arguments(type(inner), overrides.get(name, {}))
            arguments[name] = chosen | {"model_type": inner.model_type}
    nested = {name for name in arguments if isinstance(arguments[name], dict)}
    return arguments | {name: value for name, value in overrides.items() if name not in nested}


def _size(name: str, default: Any) -> Any:
    """The tiny value of a setting of this name; None for one that is left as it is."""
    if isinstance(default, (dict, list, tuple)):
        return None
    return next((value for pattern, value in SIZES.items() if re.fullmatch(pattern, name)), None)
