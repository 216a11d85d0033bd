"""Every way a checkpoint can disagree with its config is an error, through AutoModel and OptimizedModel alike."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.tiny import tiny_bert
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from nc_trainer import CheckpointError, OptimizedModel, save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

State = dict[str, Tensor]


@pytest.fixture
def int8_dir(tmp_path: Path) -> Path:
    model = tiny_bert()
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save_for_huggingface_upstream(model, None, tmp_path)
    return tmp_path


@pytest.fixture(params=[AutoModelForSequenceClassification, OptimizedModel], ids=["auto", "optimized"])
def load(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return request.param.from_pretrained


def without(key: str) -> Callable[[State], None]:
    return lambda state: state.__delitem__(key)


def as_dtype(key: str, dtype: torch.dtype) -> Callable[[State], None]:
    return lambda state: state.update({key: state[key].to(dtype)})


def extra(key: str) -> Callable[[State], None]:
    return lambda state: state.update({key: torch.zeros(2)})


def cut(key: str) -> Callable[[State], None]:
    return lambda state: state.update({key: state[key][:-1].contiguous()})


@pytest.mark.parametrize(
    ("damage", "key"),
    [
        (without("classifier.qweight"), "classifier.qweight"),
        (without("classifier.scale"), "classifier.scale"),
        (without("bert.embeddings.LayerNorm.weight"), "bert.embeddings.LayerNorm.weight"),
        (extra("classifier.weight"), "classifier.weight"),
        (extra("stranger"), "stranger"),
        (as_dtype("classifier.qweight", torch.float32), "classifier.qweight"),
        (as_dtype("classifier.scale", torch.int8), "classifier.scale"),
    ],
    ids=[
        "missing-codes",
        "missing-scale",
        "missing-float",
        "float-beside-int8",
        "stranger",
        "float-codes",
        "int8-scale",
    ],
)
def test_a_tensor_that_does_not_belong_is_an_error(
    int8_dir: Path, load: Callable[[Path], object], damage: Callable[[State], None], key: str
) -> None:
    state = load_file(int8_dir / "model.safetensors")
    damage(state)
    save_file(state, int8_dir / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=key.replace(".", r"\.")):
        load(int8_dir)


def test_int8_where_a_float_belongs_is_an_error(int8_dir: Path, load: Callable[[Path], object]) -> None:
    state = load_file(int8_dir / "model.safetensors")
    as_dtype("bert.embeddings.word_embeddings.weight", torch.int8)(state)
    save_file(state, int8_dir / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises((CheckpointError, RuntimeError)):  # 4.57 raises a RuntimeError of its own first
        load(int8_dir)


@pytest.mark.parametrize("key", ["classifier.qweight", "classifier.scale", "bert.pooler.dense.bias"])
def test_another_shape_is_an_error_even_when_mismatches_are_to_be_ignored(int8_dir: Path, key: str) -> None:
    state = load_file(int8_dir / "model.safetensors")
    cut(key)(state)
    save_file(state, int8_dir / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=key.replace(".", r"\.")):
        AutoModelForSequenceClassification.from_pretrained(int8_dir, ignore_mismatched_sizes=True)


@pytest.mark.parametrize("kept", [0, 4, 100, -1], ids=["empty", "header-length", "header", "last-byte"])
def test_a_truncated_file_is_an_error(int8_dir: Path, load: Callable[[Path], object], kept: int) -> None:
    file = int8_dir / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="truncated"):
        load(int8_dir)


def change_config(directory: Path, **changes: object) -> None:
    """As a user who means it: without the digest of the config."""
    file = directory / "config.json"
    config = json.loads(file.read_text())
    config["quantization_config"].update(changes)
    del config["quantization_config"]["config_digest"]
    file.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "format_version 99 is not known"),
        ({"modules": {"classifier": "int3"}}, "precision 'int3'"),
        ({"modules": {}}, r"lacks 14 tensors .*query\.weight"),
        ({"surprise": 1}, "expected the keys"),
    ],
    ids=["newer-format", "unknown-precision", "emptied-recipe", "unknown-key"],
)
def test_a_damaged_recipe_is_an_error(
    int8_dir: Path, load: Callable[[Path], object], changes: dict[str, object], message: str
) -> None:
    change_config(int8_dir, **changes)
    with pytest.raises(CheckpointError, match=message):
        load(int8_dir)


def test_pickled_weights_are_not_read(int8_dir: Path, load: Callable[[Path], object]) -> None:
    torch.save(load_file(int8_dir / "model.safetensors"), int8_dir / "pytorch_model.bin")
    (int8_dir / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="safetensors files only"):
        load(int8_dir)


def test_a_float_directory_with_missing_weights_is_an_error(tmp_path: Path) -> None:
    tiny_bert().save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    del state["classifier.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"classifier\.weight"):
        OptimizedModel.from_pretrained(tmp_path)
