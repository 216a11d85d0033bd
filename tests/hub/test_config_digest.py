"""A directory knows what its config said: what changes the answers is an error, names and paths are free to edit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from helpers.logits import logits
from helpers.tiny import tiny_bert
from torch import Tensor
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForSequenceClassification, BertForSequenceClassification

from nc_trainer import CheckpointError, OptimizedModel, save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.hub.checkpoint import StoredTensor
from nc_trainer.hub.config_sizes import check_sizes
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

LOADERS = pytest.mark.parametrize(
    "loader", [AutoModelForSequenceClassification, BertForSequenceClassification, OptimizedModel]
)
EDITS: tuple[dict[str, Any], ...] = (
    {"layer_norm_eps": 0.1},
    {"num_attention_heads": 8},
    {"hidden_act": "relu"},
    {"is_decoder": True},
    {"architectures": ["BertForTokenClassification"]},
    {"quantization_config": {"float_dtype": "bfloat16"}},
)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Tensor]:
    """An int8 directory, and what its model answers."""
    model = tiny_bert()
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save_for_huggingface_upstream(model, None, tmp_path)
    return tmp_path, logits(model)


def edit(directory: Path, changes: dict[str, Any], *without: str) -> None:
    """Change config.json, and its recipe if they say so; what is named in `without` is removed from the recipe."""
    config = json.loads((directory / "config.json").read_text())
    recipe = config["quantization_config"] | changes.get("quantization_config", {})
    kept = {key: value for key, value in recipe.items() if key not in without}
    (directory / "config.json").write_text(json.dumps(config | changes | {"quantization_config": kept}))


@LOADERS
@pytest.mark.parametrize("changes", EDITS, ids=str)
def test_an_edit_that_changes_the_answers_is_an_error(
    saved: tuple[Path, Tensor], loader: Any, changes: dict[str, Any]
) -> None:
    directory, _ = saved
    edit(directory, changes)
    with pytest.raises(CheckpointError, match=r"config\.json is not what was saved"):
        loader.from_pretrained(directory)


@LOADERS
def test_the_digest_of_the_weights_cannot_be_taken_away_alone(saved: tuple[Path, Tensor], loader: Any) -> None:
    directory, _ = saved
    edit(directory, {}, "digest")
    with pytest.raises(CheckpointError, match=r"config\.json is not what was saved"):
        loader.from_pretrained(directory)


@LOADERS
@pytest.mark.parametrize(
    "changes",
    [
        {"id2label": {"0": "bad", "1": "so so", "2": "good"}, "label2id": {"bad": 0, "so so": 1, "good": 2}},
        {"_name_or_path": "elsewhere/model"},
        {"dtype": "bfloat16"},
        {"problem_type": "multi_label_classification"},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_names_and_paths_are_free_to_edit(saved: tuple[Path, Tensor], loader: Any, changes: dict[str, Any]) -> None:
    directory, answer = saved
    edit(directory, changes)
    assert torch.equal(logits(loader.from_pretrained(directory)), answer)


@LOADERS
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id2label", 5),
        ("id2label", {"x": "a"}),
        ("dtype", "int3"),
        ("label2id", []),
        ("transformers_weights", 1),
        ("auto_map", None),
    ],
)
def test_what_is_free_to_edit_has_a_kind(saved: tuple[Path, Tensor], loader: Any, key: str, value: Any) -> None:
    directory, _ = saved
    edit(directory, {key: value})
    with pytest.raises(CheckpointError, match=f"`{key}` is .*, expected"):
        loader.from_pretrained(directory)


def test_an_edit_that_is_meant_goes_with_the_digest_removed(saved: tuple[Path, Tensor]) -> None:
    directory, answer = saved
    edit(directory, {"layer_norm_eps": 0.1}, "config_digest")
    assert not torch.equal(logits(OptimizedModel.from_pretrained(directory)), answer)


def test_another_program_may_write_the_same_content(saved: tuple[Path, Tensor]) -> None:
    directory, answer = saved
    config = json.loads((directory / "config.json").read_text())
    reversed_keys = dict(reversed(config.items()))
    (directory / "config.json").write_text(json.dumps(reversed_keys, indent=7))
    assert torch.equal(logits(OptimizedModel.from_pretrained(directory)), answer)


@LOADERS
def test_without_digests_it_loads(saved: tuple[Path, Tensor], loader: Any) -> None:
    directory, answer = saved
    edit(directory, {}, "config_digest", "digest")
    assert torch.equal(logits(loader.from_pretrained(directory)), answer)


@LOADERS
@pytest.mark.parametrize(
    ("key", "value"),
    [("num_hidden_layers", 10**9), ("vocab_size", 2**63), ("num_labels", 10**9), ("hidden_size", [[-(2**40)]])],
)
def test_without_a_digest_sizes_are_compared_with_the_weights(
    saved: tuple[Path, Tensor], loader: Any, key: str, value: Any
) -> None:
    directory, _ = saved
    edit(directory, {key: value}, "config_digest")
    with pytest.raises(CheckpointError, match=rf"{key} is -?\d+, which does not belong to these weights"):
        loader.from_pretrained(directory)


def test_a_number_that_counts_no_modules_may_be_large(saved: tuple[Path, Tensor]) -> None:
    directory, answer = saved
    edit(directory, {"num_codevectors_per_group": 320, "max_length": 10**6}, "config_digest")
    assert torch.equal(logits(OptimizedModel.from_pretrained(directory)), answer)


@pytest.mark.parametrize("task", ["SEQUENCE", "IMAGE", "AUDIO"])
def test_a_config_is_not_refused_for_what_transformers_says_by_default(task: str) -> None:
    """It is read while it is saved, when it has no digest yet."""
    tables = transformers.models.auto.modeling_auto
    for model_type in getattr(tables, f"MODEL_FOR_{task}_CLASSIFICATION_MAPPING_NAMES"):
        config = CONFIG_MAPPING[model_type]()
        rows = StoredTensor("F32", (max(config.num_labels, getattr(config, "num_experts", None) or 1), 8))
        check_sizes(json.loads(config.to_json_string(use_diff=False)), {"classifier.weight": rows})


@LOADERS
@pytest.mark.parametrize("value", [{}, None, 5, {"quant_method": "nc_int9"}, {"quant_method": ["nc_int8"]}], ids=str)
def test_int8_weights_without_a_recipe_are_an_error(saved: tuple[Path, Tensor], loader: Any, value: Any) -> None:
    directory, _ = saved
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"quantization_config": value}))
    with pytest.raises(CheckpointError, match=r"config\.json does not say of which modules"):
        loader.from_pretrained(directory)


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 10**5, "\x00"], ids=len)
def test_a_config_that_is_no_object_is_an_error(saved: tuple[Path, Tensor], text: str) -> None:
    directory, _ = saved
    (directory / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        AutoModelForSequenceClassification.from_pretrained(directory)


def test_a_config_can_be_read_without_the_weights(saved: tuple[Path, Tensor]) -> None:
    directory, _ = saved
    (directory / "model.safetensors").unlink()
    assert AutoConfig.from_pretrained(directory).num_labels == 3


def test_a_float_directory_is_none_of_ours(tmp_path: Path) -> None:
    tiny_bert().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.1}))
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path).config.layer_norm_eps == 0.1
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(OSError, match="not a valid JSON file"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path)


@LOADERS
def test_a_model_of_the_hub_has_its_digest_checked(saved: tuple[Path, Tensor], tmp_path: Path, loader: Any) -> None:
    directory, answer = saved
    snapshot = in_cache(directory, tmp_path / "cache")
    options = {"cache_dir": str(tmp_path / "cache")}
    assert torch.equal(logits(loader.from_pretrained("someone/model", **options)), answer)
    edit(snapshot, {"layer_norm_eps": 0.1})
    with pytest.raises(CheckpointError, match=r"config\.json is not what was saved"):
        loader.from_pretrained("someone/model", **options)


def in_cache(directory: Path, cache: Path) -> Path:
    """The files of a directory as huggingface_hub keeps those of `someone/model`."""
    repository, revision = cache / "models--someone--model", "0" * 40
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).write_bytes((directory / name).read_bytes())
    return snapshot
