"""What the tiny configs of text families need besides small sizes: what depends on each other or stands in lists."""

from typing import Any

import transformers

WITHOUT_KERNELS = {"use_mamba_kernels": False} if transformers.__version__ < "5" else {}
"""On 4.57 Mamba's kernels are asked for by default; 5 looks for them itself."""
EXPERTS = {"num_key_value_heads": 4, "n_group": 2, "topk_group": 1, "num_experts_per_tok": 2}
LINEAR_ATTENTION = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
PERCEIVER = {"num_latents": 8, "d_latents": 32, "num_self_attends_per_block": 2}
ROPE = {kind: {"rope_type": "default", "rope_theta": 10000.0} for kind in ("sliding_attention", "full_attention")}
MAMBA = {
    "mamba_d_state": 8,
    "n_mamba_heads": 2,
    "mamba_dt_rank": 4,
    "layers_block_type": 2 * ["mamba", "hybrid"],
} | WITHOUT_KERNELS

TEXT: dict[str, dict[str, Any]] = {
    "axk1": EXPERTS,
    "axk2": EXPERTS,
    "bros": {"hidden_size": 64},
    "canine": {"num_hash_buckets": 64, "local_transformer_stride": 16},
    "cohere_compass_text": {"layer_types": list(ROPE), "rope_parameters": ROPE},
    "deepseek_v2": EXPERTS,
    "deepseek_v3": {"num_key_value_heads": 4},
    "esmc": {"num_key_value_heads": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "gptj": {"rotary_dim": 4},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1}
    | WITHOUT_KERNELS,
    "layoutlmv3": {"coordinate_size": 6, "shape_size": 4},
    "led": {"max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 64, "attention_window": 8},
    "lilt": {"hidden_size": 48},
    "longformer": {"attention_window": 8},
    "lxmert": {"l_layers": 1, "x_layers": 1, "r_layers": 1, "visual_feat_dim": 16},
    "markuplm": {"max_depth": 4},
    "minicpm3": {"num_key_value_heads": 4},
    "mistral4": {"num_key_value_heads": 4, "head_dim": 16},
    "perceiver": PERCEIVER,
    "qwen3_5": {"text_config": LINEAR_ATTENTION},
    "qwen3_5_text": LINEAR_ATTENTION,
    "qwen3_moe": {"num_experts_per_tok": 2},
    "qwen3_next": LINEAR_ATTENTION | {"num_experts_per_tok": 2},
    "reformer": {
        "axial_pos_embds_dim": [16, 16],
        "axial_pos_shape": [8, 8],
        "attn_layers": ["local", "lsh"],
        "local_attn_chunk_length": 8,
        "lsh_attn_chunk_length": 8,
        "hash_seed": 0,
    },
    "roc_bert": {"pronunciation_embed_dim": 16, "shape_embed_dim": 16},
    "shieldgemma2": {"yes_token_index": 6, "no_token_index": 7},
    "squeezebert": {"embedding_size": 32},
    "t5": {"decoder_start_token_id": 0},
    "transfo-xl": {"cutoffs": [20, 40], "div_val": 2, "mem_len": 8, "d_embed": 32},
    "xmod": {"default_language": "en_XX"},
    "zamba": MAMBA | {"num_hidden_layers": 4},
    "zamba2": MAMBA | {"num_hidden_layers": 4, "mamba_headdim": 32, "hybrid_layer_ids": [1, 3], "chunk_size": 8},
}
