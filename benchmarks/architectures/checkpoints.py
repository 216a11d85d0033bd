"""The architectures of the table, in the sizes of well-known checkpoints, built without their weights."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING,
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)

BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
ROBERTA = {"max_position_embeddings": 514, "type_vocab_size": 1}
BART_LARGE = {"d_model": 1024, "encoder_layers": 12, "decoder_layers": 12, "max_position_embeddings": 1024}
CHECKPOINTS: dict[str, dict[str, Any]] = {
    "bert-base-uncased": {"model_type": "bert"},
    "distilbert-base-uncased": {"model_type": "distilbert"},
    "albert-base-v1": {"model_type": "albert", "embedding_size": 128, **BASE},
    "roberta-base": {"model_type": "roberta", "vocab_size": 50265, **ROBERTA},
    "xlm-roberta-base": {"model_type": "xlm-roberta", "vocab_size": 250002, **ROBERTA},
    "funnel-transformer/small": {"model_type": "funnel", "block_sizes": [4, 4, 4]},
    "facebook/bart-large": {"model_type": "bart", "vocab_size": 50265, **BART_LARGE},
    "facebook/mbart-large-cc25": {"model_type": "mbart", "vocab_size": 250027, **BART_LARGE},
    "gpt2": {"model_type": "gpt2", "pad_token_id": 0},
    "xlnet-base-cased": {"model_type": "xlnet", "d_model": 768, "n_layer": 12, "n_head": 12, "d_inner": 3072},
    "transfo-xl-wt103": {"model_type": "transfo-xl", "pad_token_id": 0},
    "ctrl": {"model_type": "ctrl", "pad_token_id": 0},
    "xlm-mlm-en-2048": {"model_type": "xlm"},
    "google/vit-base-patch16-224": {"model_type": "vit"},
    "facebook/dinov2-base": {"model_type": "dinov2", "patch_size": 14, "image_size": 518},
    "microsoft/swin-tiny-patch4-window7-224": {"model_type": "swin"},
    "facebook/convnext-tiny-224": {"model_type": "convnext"},
    "facebook/wav2vec2-base": {"model_type": "wav2vec2"},
    "MIT/ast-finetuned-audioset": {"model_type": "audio-spectrogram-transformer"},
}
"""What differs from the defaults of the config class, as the config.json of each checkpoint says."""
SEGMENTS = ("bert", "albert", "funnel", "xlnet")
"""Model types whose tokenizer gives `token_type_ids`."""
PIXELS, SAMPLES = 224, 16000
"""What is one picture high and wide, and how many samples one second of sound has."""


def model_without_memory(settings: dict[str, Any]) -> PreTrainedModel:
    """The classifier of a config; each of its tensors is one zero in the shape of the whole."""
    config = AutoConfig.for_model(**settings)
    with torch.device("meta"):
        model = _auto_class(config).from_config(config, attn_implementation="eager")
    filled: dict[Tensor, Tensor] = {}
    for module in model.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            setattr(module, name, filled.setdefault(tensor, _zero_like(tensor)))
        for name, value in list(vars(module).items()):
            if isinstance(value, Tensor):
                setattr(module, name, _zero_like(value))
    return model.eval()


def _auto_class(config: PretrainedConfig) -> Any:
    if type(config) in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        return AutoModelForImageClassification
    if type(config) in MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING:
        return AutoModelForAudioClassification
    return AutoModelForSequenceClassification


def one_row(model: PreTrainedModel, tokens: int) -> dict[str, Tensor]:
    """One row of so many tokens without padding, which ends in the token that ends sequences; a picture, a sound."""
    if model.main_input_name == "pixel_values":
        return {"pixel_values": torch.zeros(1, 3, PIXELS, PIXELS)}
    if model.main_input_name == "input_values":
        return {"input_values": torch.zeros(1, *_shape_of_sound(model.config))}
    ids = torch.full((1, tokens), 5)
    ids[0, -1] = getattr(model.config, "eos_token_id", None) or 5
    batch = {"input_ids": ids}
    if "attention_mask" in model.forward.__annotations__:
        batch["attention_mask"] = torch.ones_like(ids)
    if model.config.model_type in SEGMENTS:
        batch["token_type_ids"] = torch.zeros_like(ids)
    return batch


def _shape_of_sound(config: PretrainedConfig) -> tuple[int, ...]:
    """Of one second, or of the spectrogram that the model takes."""
    return (config.max_length, config.num_mel_bins) if hasattr(config, "num_mel_bins") else (SAMPLES,)


def _zero_like(tensor: Tensor) -> Tensor:
    zero = torch.zeros((), dtype=tensor.dtype, device="cpu").expand(tensor.shape)
    return nn.Parameter(zero, requires_grad=False) if isinstance(tensor, nn.Parameter) else zero
