"""The same for families of pictures, most of which have their sizes in lists, one for each stage."""

from typing import Any

from helpers.families.text_sizes import PERCEIVER

STAGES = {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 16, 32, 32]}
PYRAMID = STAGES | {"num_attention_heads": [1, 2, 4, 4], "mlp_ratios": [2, 2, 2, 2]}
SWIN = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "window_size": 2, "patch_size": 4}
PERCEIVER_IMAGES = PERCEIVER | {"num_self_attention_heads": 1, "num_cross_attention_heads": 1}

PICTURES: dict[str, dict[str, Any]] = {
    "bit": STAGES | {"embedding_size": 8, "num_groups": 4},
    "convnext": STAGES | {"patch_size": 4},
    "convnextv2": STAGES | {"patch_size": 4},
    "cvt": {"embed_dim": [16, 16, 32], "num_heads": [1, 2, 4], "depth": [1, 2, 3]},
    "donut-swin": SWIN,
    "efficientformer": STAGES
    | {"dim": 32, "key_dim": 8, "num_attention_heads": 2, "hidden_size": 32, "resolution": 1},
    "efficientnet": {"width_coefficient": 0.25, "depth_coefficient": 0.2, "hidden_dim": 320},
    "focalnet": {"embed_dim": 16, "depths": [1, 1], "hidden_sizes": [16, 32], "patch_size": 4}
    | {"focal_levels": [1, 1], "focal_windows": [3, 3]},
    "hgnet_v2": {
        "embedding_size": 16,
        "hidden_sizes": [16, 32, 32, 32],
        "stem_channels": [3, 8, 16],
        "stage_in_channels": [16, 16, 32, 32],
        "stage_mid_channels": [8, 8, 16, 16],
        "stage_out_channels": [16, 32, 32, 32],
        "stage_num_blocks": [1, 1, 1, 1],
        "stage_numb_of_layers": [1, 1, 1, 1],
    },
    "hiera": {"embed_dim": 16, "image_size": [32, 32], "patch_size": [3, 3], "patch_stride": [2, 2]}
    | {"patch_padding": [1, 1], "depths": [1, 1], "num_heads": [1, 2], "num_query_pool": 1}
    | {"masked_unit_size": [4, 4], "masked_unit_attention": [True, False]},
    "levit": {"hidden_sizes": [16, 32, 32], "num_attention_heads": [1, 2, 2], "depths": [1, 1, 1]}
    | {"key_dim": [8, 8, 8], "image_size": 64, "patch_size": 16},
    "mobilenet_v1": {"depth_multiplier": 0.25},
    "mobilenet_v2": {"depth_multiplier": 0.25},
    "mobilevit": {"hidden_sizes": [16, 32, 32], "neck_hidden_sizes": [8, 8, 16, 16, 16, 32, 32], "patch_size": 2},
    "mobilevitv2": {"base_attn_unit_dims": [16, 16, 32], "n_attn_blocks": [1, 1, 1], "width_multiplier": 0.25}
    | {"patch_size": 2, "image_size": 64},
    "PerceiverForImageClassificationConvProcessing": PERCEIVER_IMAGES,
    "PerceiverForImageClassificationFourier": PERCEIVER_IMAGES,
    "poolformer": STAGES,
    "pp_lcnet": {"scale": 0.25, "class_expand": 32},
    "pvt": PYRAMID,
    "pvt_v2": PYRAMID | {"image_size": [32, 32]},
    "regnet": STAGES | {"embedding_size": 16, "groups_width": 8},
    "resnet": STAGES | {"embedding_size": 16},
    "segformer": PYRAMID | {"decoder_hidden_size": 16},
    "swiftformer": {"depths": [1, 1, 1, 1], "embed_dims": [16, 16, 32, 32]},
    "swin": SWIN,
    "swinv2": SWIN | {"pretrained_window_sizes": [0, 0]},
    "textnet": {
        "stem_out_channels": 16,
        "hidden_sizes": [16, 16, 16, 32, 32],
        "conv_layer_kernel_sizes": [[[3, 3]], [[1, 3]], [[3, 1]], [[3, 3]]],
        "conv_layer_strides": [[2], [2], [2], [2]],
    },
    "van": {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "mlp_ratios": [2, 2, 2, 2]},
    "vit-hybrid": {"patch_size": 1, "backbone_config": STAGES | {"embedding_size": 8, "num_groups": 4}}
    | {"backbone_featmap_shape": [1, 32, 2, 2]},
}
