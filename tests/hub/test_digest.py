"""A directory knows what its weights were: a changed bit is an error, however it is loaded."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import tiny_bert
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from nc_trainer import CheckpointError, OptimizedModel, save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

LOADERS = pytest.mark.parametrize("loader", [AutoModelForSequenceClassification, OptimizedModel])


@pytest.fixture
def model() -> PreTrainedModel:
    model = tiny_bert()
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    return model


def quantization_config(directory: Path) -> dict[str, object]:
    return json.loads((directory / "config.json").read_text())["quantization_config"]


def flip_a_bit(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1 << position % 8
    file.write_bytes(content)


def data_start(file: Path) -> int:
    """Where the header of a safetensors file ends."""
    return 8 + int.from_bytes(file.read_bytes()[:8], "little")


@LOADERS
@pytest.mark.parametrize("seed", range(10))
def test_a_flipped_bit_of_a_weight_is_an_error(model: PreTrainedModel, tmp_path: Path, loader: Any, seed: int) -> None:
    save_for_huggingface_upstream(model, None, tmp_path)
    file = tmp_path / "model.safetensors"
    flip_a_bit(file, random.Random(seed).randrange(data_start(file), file.stat().st_size))
    with pytest.raises(CheckpointError, match="not those that were saved with config"):
        loader.from_pretrained(tmp_path)


@LOADERS
def test_a_flipped_bit_of_a_shard_is_an_error(model: PreTrainedModel, tmp_path: Path, loader: Any) -> None:
    save_for_huggingface_upstream(model, None, tmp_path, max_shard_size="20KB")
    loader.from_pretrained(tmp_path)
    last = sorted(tmp_path.glob("model-*.safetensors"))[-1]
    flip_a_bit(last, last.stat().st_size - 1)
    with pytest.raises(CheckpointError, match="not those that were saved with config"):
        loader.from_pretrained(tmp_path)


def test_the_weights_of_another_model_are_an_error(model: PreTrainedModel, tmp_path: Path) -> None:
    save_for_huggingface_upstream(model, None, tmp_path / "one")
    model.classifier.scale *= 2
    save_for_huggingface_upstream(model, None, tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").replace(tmp_path / "one" / "model.safetensors")
    with pytest.raises(CheckpointError, match="of another save"):
        OptimizedModel.from_pretrained(tmp_path / "one")


@LOADERS
def test_a_loaded_model_that_is_changed_is_saved_and_loaded(
    model: PreTrainedModel, tmp_path: Path, loader: Any
) -> None:
    save_for_huggingface_upstream(model, None, tmp_path)
    loaded = loader.from_pretrained(tmp_path)
    loaded.classifier.scale *= 2
    loaded.save_pretrained(tmp_path / "plain")
    assert "digest" not in quantization_config(tmp_path / "plain")
    assert torch.equal(loader.from_pretrained(tmp_path / "plain").classifier.scale, loaded.classifier.scale)
    save_for_huggingface_upstream(loaded, None, tmp_path / "ours")
    assert "digest" in quantization_config(tmp_path / "ours")
    assert torch.equal(loader.from_pretrained(tmp_path / "ours").classifier.scale, loaded.classifier.scale)


def test_a_directory_without_digest_is_loaded(model: PreTrainedModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    assert "digest" not in quantization_config(tmp_path)
    OptimizedModel.from_pretrained(tmp_path)


def test_a_digest_that_is_no_text_is_an_error(model: PreTrainedModel, tmp_path: Path) -> None:
    save_for_huggingface_upstream(model, None, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["quantization_config"]["digest"] = 7
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="digest is 7, expected a text"):
        OptimizedModel.from_pretrained(tmp_path)
