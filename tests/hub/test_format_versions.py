"""Directories of every format version load, answer as they did, and can be read as docs/format.md says."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.logits import logits
from helpers.tiny import tiny_bert
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

from nc_trainer import OptimizedModel, save_for_huggingface_upstream
from nc_trainer.config.recipe import FORMAT_VERSION
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

VERSIONS = sorted(path for path in (Path(__file__).parent / "format_versions").iterdir() if path.name.isdecimal())
versions = pytest.mark.parametrize("directory", VERSIONS, ids=lambda directory: directory.name)


def answers(directory: Path) -> tuple[dict[str, Tensor], Tensor]:
    content = json.loads((directory / "answers.json").read_text())
    ids = torch.tensor(content["input_ids"])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, torch.tensor(content["logits"])


def test_there_is_one_of_every_version() -> None:
    assert [int(directory.name) for directory in VERSIONS] == list(range(1, FORMAT_VERSION + 1))


@versions
@pytest.mark.parametrize("loader", [AutoModelForSequenceClassification, OptimizedModel])
def test_it_answers_as_it_did(directory: Path, loader: Any) -> None:
    """Another CPU may differ in the last bit of an fp32 operator of torch's, and so by an int8 step."""
    inputs, expected = answers(directory)
    assert torch.allclose(logits(loader.from_pretrained(directory), **inputs), expected, atol=0.02)


@versions
def test_it_is_saved_as_the_current_version(directory: Path, tmp_path: Path) -> None:
    model = OptimizedModel.from_pretrained(directory)
    save_for_huggingface_upstream(model, None, tmp_path)
    recipe = json.loads((tmp_path / "config.json").read_text())["quantization_config"]
    assert recipe["format_version"] == FORMAT_VERSION
    assert {"digest", "config_digest"} <= set(recipe)
    inputs, _ = answers(directory)
    assert torch.equal(logits(OptimizedModel.from_pretrained(tmp_path), **inputs), logits(model, **inputs))


def files(directory: Path) -> list[Path]:
    """As the page says: the file that the config names, else one file, else the shards of an index."""
    config = json.loads((directory / "config.json").read_text())
    single, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    main = directory / config.get("transformers_weights", (single if single.exists() else index).name)
    if not main.name.endswith(".index.json"):
        return [main]
    return sorted({directory / name for name in json.loads(main.read_text())["weight_map"].values()})


def read_by_the_page(directory: Path) -> BertForSequenceClassification:
    """A float model of the values that the codes stand for, by nothing of ours."""
    config = json.loads((directory / "config.json").read_text())
    recipe = config.pop("quantization_config")
    content = b"".join(path.read_bytes() for path in files(directory))
    assert recipe.get("digest") in (None, hashlib.sha256(content).hexdigest())
    stored = {key: tensor for path in files(directory) for key, tensor in load_file(path).items()}
    state = {
        key: tensor for key, tensor in stored.items() if not key.endswith((".qweight", ".scale", ".float_columns"))
    }
    for name, precision in recipe["modules"].items():
        if precision != "float":
            state[f"{name}.weight"] = stored[f"{name}.qweight"] * stored[f"{name}.scale"].unsqueeze(1)
    for name, columns in recipe.get("float_columns", {}).items():
        state[f"{name}.weight"][:, columns] = stored[f"{name}.float_columns"].t()
    model = BertForSequenceClassification(BertConfig.from_dict(config))
    model.load_state_dict(state, strict=True)
    return model.eval()


@versions
def test_a_reader_written_from_the_page_finds_the_same_model(directory: Path) -> None:
    inputs, expected = answers(directory)
    assert torch.allclose(logits(read_by_the_page(directory), **inputs), expected, atol=0.1)


def test_a_reader_written_from_the_page_reads_columns_in_float(tmp_path: Path) -> None:
    model = tiny_bert()
    name = "bert.encoder.layer.0.output.dense"
    recipe = full_recipe(model).with_float_columns({name: [2, 5]})
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save_for_huggingface_upstream(model, None, tmp_path)
    found, expected = read_by_the_page(tmp_path).get_submodule(name).weight, tiny_bert().get_submodule(name).weight
    assert torch.equal(found[:, [2, 5]], expected[:, [2, 5]])
    assert torch.allclose(found, expected, atol=float(expected.detach().abs().max()) / 127)


def test_a_reader_written_from_the_page_reads_shards_and_a_save_that_was_killed(tmp_path: Path) -> None:
    inputs, expected = answers(VERSIONS[-1])
    model = OptimizedModel.from_pretrained(VERSIONS[-1])
    save_for_huggingface_upstream(model, None, tmp_path, max_shard_size="2KB")
    assert len(files(tmp_path)) > 1
    assert torch.allclose(logits(read_by_the_page(tmp_path), **inputs), expected, atol=0.1)
    (tmp_path / "model.safetensors.index.json").rename(tmp_path / "_saving-x.model.safetensors.index.json")
    config = json.loads((tmp_path / "config.json").read_text())
    config["transformers_weights"] = "_saving-x.model.safetensors.index.json"
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert torch.allclose(logits(read_by_the_page(tmp_path), **inputs), expected, atol=0.1)
    assert torch.equal(logits(OptimizedModel.from_pretrained(tmp_path), **inputs), logits(model, **inputs))
