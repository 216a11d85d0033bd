"""Families whose names transformers converts while saving and loading: int8 directories keep the model's own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    Gemma3Config,
    Gemma3ForSequenceClassification,
    PreTrainedModel,
    ViTConfig,
    ViTForImageClassification,
    set_seed,
)

from nc_trainer import OptimizedModel, save_for_huggingface_upstream
from nc_trainer.hub import attach, detached
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "num_labels": 3,
    "pad_token_id": 1,
}
EXPERTS = {"num_key_value_heads": 2, "num_local_experts": 4, "bos_token_id": 2, "eos_token_id": 3}
TEXT: dict[str, dict[str, Any]] = {
    "gte": {},
    "nomic_bert": {},
    "jina_embeddings_v3": {},
    "esm": {"mask_token_id": 4, "position_embedding_type": "rotary"},
    "mixtral": EXPERTS,
    "qwen2_moe": EXPERTS | {"num_experts": 4, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16},
}
INSTALLED = [name for name in TEXT if name in CONFIG_MAPPING]


def text_model(name: str) -> PreTrainedModel:
    set_seed(0)
    config = AutoConfig.for_model(name, **(SIZES | TEXT[name]))
    return AutoModelForSequenceClassification.from_config(config).eval()


def vit() -> PreTrainedModel:
    set_seed(0)
    sizes = {name: SIZES[name] for name in ("hidden_size", "num_attention_heads", "intermediate_size")}
    return ViTForImageClassification(ViTConfig(**sizes, num_hidden_layers=2, image_size=16, patch_size=8)).eval()


def gemma3() -> PreTrainedModel:
    """4.57 renames what sees and reads together while it saves it, and does not turn the names of codes back."""
    set_seed(0)
    layers = {name: SIZES[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")}
    text = layers | {"vocab_size": 60, "intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8}
    pictures = layers | {"intermediate_size": 48, "image_size": 16, "patch_size": 8}
    config = Gemma3Config(text_config=text, vision_config=pictures, mm_tokens_per_image=4, pad_token_id=1)
    return Gemma3ForSequenceClassification(config).eval()


MODELS = {name: (lambda name=name: text_model(name)) for name in INSTALLED} | {"vit": vit}
MODELS_RENAMED_BY_BOTH = MODELS | {"gemma3": gemma3}


def make_int8(model: PreTrainedModel) -> ModuleSwapper:
    recipe = full_recipe(model)
    swapper = ModuleSwapper(model)
    swapper.apply(recipe)
    attach(model, recipe)
    return swapper


def same(one: PreTrainedModel, other: PreTrainedModel) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(tensor, theirs[key]) for key, tensor in mine.items())


def keys_in(directory: Path) -> set[str]:
    with safe_open(directory / "model.safetensors", framework="pt") as file:
        return set(file.keys())


@pytest.mark.parametrize("name", list(MODELS_RENAMED_BY_BOTH))
def test_int8_directories_reload_bit_equal_and_again_from_what_was_loaded(name: str, tmp_path: Path) -> None:
    model = MODELS_RENAMED_BY_BOTH[name]()
    make_int8(model)
    save_for_huggingface_upstream(model, None, tmp_path / "first")
    loaded = OptimizedModel.from_pretrained(tmp_path / "first")
    assert same(loaded, model)
    loaded.save_pretrained(tmp_path / "second")
    assert same(type(model).from_pretrained(tmp_path / "second"), model)
    assert keys_in(tmp_path / "first") == keys_in(tmp_path / "second") == set(model.state_dict())


@pytest.mark.parametrize("name", list(MODELS))
def test_the_base_model_comes_out_of_the_directory_of_the_classifier(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    make_int8(model)
    model.save_pretrained(tmp_path)
    options = (
        {"add_pooling_layer": False} if name in ("esm", "jina_embeddings_v3", "vit") else {}
    )  # as their classifiers
    base = AutoModel.from_pretrained(tmp_path, **options)
    expected = model.base_model.state_dict()
    assert base.state_dict().keys() <= expected.keys()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in base.state_dict().items())


@pytest.mark.parametrize("name", list(MODELS))
def test_back_in_float_the_names_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    MODELS[name]().save_pretrained(tmp_path / "float")
    model = type(MODELS[name]()).from_pretrained(tmp_path / "float")
    swapper = make_int8(model)
    swapper.restore()
    with detached(model):
        model.save_pretrained(tmp_path / "again")
    assert keys_in(tmp_path / "again") == keys_in(tmp_path / "float")
    assert same(type(model).from_pretrained(tmp_path / "again"), model)
