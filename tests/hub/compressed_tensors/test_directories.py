"""W8A8 directories of compressed-tensors, written and read without the package."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.encoder_decoders import small_encoder_decoder
from helpers.tiny import tiny_bert, tiny_tokenizer
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import GPT2Config, GPT2ForSequenceClassification, PreTrainedModel

from nc_trainer import (
    CheckpointError,
    NCTrainerError,
    OptimizedModel,
    QuantizationError,
    Recipe,
    save_for_huggingface_upstream,
)
from nc_trainer.cli import main
from nc_trainer.config.recipe import Precision
from nc_trainer.hub import attach, recipe_of
from nc_trainer.int8.ops import dequantize_rows
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

FALLBACK = "bert.encoder.layer.1.output.dense"
IDS = {"input_ids": torch.tensor([[5, 6, 7, 8]])}


def int8(model: PreTrainedModel, *, embeddings: bool = False, dtype: str = "float32") -> PreTrainedModel:
    recipe = full_recipe(model, embeddings=embeddings).with_rest_in(dtype)
    if FALLBACK in recipe.modules:
        recipe = recipe.with_fallbacks([FALLBACK])
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    return model


def save(model: PreTrainedModel, directory: Path, **options: Any) -> None:
    save_for_huggingface_upstream(model, tiny_tokenizer(), directory, save_format="compressed-tensors", **options)


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(**IDS).logits


def config_of(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "config.json").read_text())


def change_config(directory: Path, **changes: Any) -> None:
    (directory / "config.json").write_text(json.dumps(config_of(directory) | changes))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_reload_is_bit_equal_with_the_same_recipe(dtype: str, tmp_path: Path) -> None:
    model = int8(tiny_bert(), dtype=dtype)
    save(model, tmp_path)
    loaded = OptimizedModel.from_pretrained(tmp_path)
    assert recipe_of(loaded) == recipe_of(model)
    assert torch.equal(logits(loaded), logits(model))


def test_tensors_are_those_of_the_format(tmp_path: Path) -> None:
    model = int8(tiny_bert())
    save(model, tmp_path)
    stored, own = load_file(tmp_path / "model.safetensors"), model.state_dict()
    assert torch.equal(stored["classifier.weight"], own["classifier.qweight"])
    assert torch.equal(stored["classifier.weight_scale"], own["classifier.scale"].unsqueeze(1))
    assert stored[f"{FALLBACK}.weight"].dtype == torch.float32
    assert not any(key.endswith("qweight") for key in stored)


def test_what_vllm_asks_of_the_config_holds(tmp_path: Path) -> None:
    """The conditions of its `CompressedTensorsConfig._is_dynamic_token_w8a8`, and fallbacks under `ignore`."""
    save(int8(tiny_bert()), tmp_path)
    quantization = config_of(tmp_path)["quantization_config"]
    (group,) = quantization["config_groups"].values()
    weights, inputs = group["weights"], group["input_activations"]
    assert quantization["format"] == "int-quantized"
    assert weights["num_bits"] == inputs["num_bits"] == 8
    assert weights["strategy"] in ("tensor", "channel")
    assert inputs["strategy"] == "token"
    assert weights["symmetric"]
    assert inputs["dynamic"]
    assert not weights["dynamic"]
    assert group["targets"] == ["Linear"]
    assert quantization["ignore"] == [FALLBACK]


def test_a_mixture_that_vllm_refuses_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = tiny_bert()
    recipe = full_recipe(model).with_fallbacks(["bert.encoder.layer.0.attention.self.key"])
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save(model, tmp_path)
    assert "vLLM refuses bert.encoder.layer.0.attention.self" in caplog.text


def test_int8_embeddings_become_the_float_values_of_their_codes(tmp_path: Path) -> None:
    model = int8(tiny_bert(), embeddings=True)
    save(model, tmp_path)
    table = model.bert.embeddings.word_embeddings
    stored = load_file(tmp_path / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    assert torch.equal(stored, dequantize_rows(table.qweight, table.scale))
    assert torch.equal(logits(OptimizedModel.from_pretrained(tmp_path)), logits(model))


def test_an_int8_output_layer_is_not_tied_any_more(tmp_path: Path) -> None:
    model = int8(small_encoder_decoder("bart"))
    save(model, tmp_path)
    assert config_of(tmp_path)["tie_word_embeddings"] is False
    assert torch.equal(logits(OptimizedModel.from_pretrained(tmp_path)), logits(model))


def test_layers_that_are_no_linear_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    config = GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=50, n_positions=32, pad_token_id=0)
    with pytest.raises(QuantizationError, match=r"nn\.Linear only"):
        save(int8(GPT2ForSequenceClassification(config)), tmp_path)
    assert not (tmp_path / "config.json").exists()


def test_what_else_the_recipe_says_is_kept_without_int8_embeddings(tmp_path: Path) -> None:
    model = int8(tiny_bert(), embeddings=True, dtype="bfloat16")
    recipe = recipe_of(model)
    assert recipe is not None
    recipe = replace(recipe, float32_after="bert.pooler", float32_modules=("classifier",))
    attach(model, recipe)
    save(model, tmp_path)
    kept = {name: value for name, value in recipe.modules.items() if value is not Precision.INT8_WEIGHT_ONLY}
    assert Recipe.from_dict(config_of(tmp_path)["nc_trainer_recipe"]) == replace(recipe, modules=kept)


def test_columns_in_float_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    model = tiny_bert()
    recipe = full_recipe(model).with_float_columns({"classifier": [1]})
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    with pytest.raises(QuantizationError, match="no layers with a few columns in float, as classifier"):
        save(model, tmp_path)
    assert not (tmp_path / "config.json").exists()


def test_an_unknown_format_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match="expected nc_int8 or compressed-tensors"):
        save_for_huggingface_upstream(int8(tiny_bert()), None, tmp_path / "out", save_format="compressed_tensors")
    assert not (tmp_path / "out").exists()


def test_shards(tmp_path: Path) -> None:
    model = int8(tiny_bert())
    save(model, tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    assert torch.equal(logits(OptimizedModel.from_pretrained(tmp_path)), logits(model))


def foreign(tmp_path: Path, **changes: Any) -> PreTrainedModel:
    """As llm-compressor writes it: no recipe of ours, zero points and input scales where there are any."""
    model = int8(tiny_bert())
    save(model, tmp_path)
    change_config(tmp_path, nc_trainer_recipe=None)
    config = config_of(tmp_path)
    del config["nc_trainer_recipe"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    tensors = load_file(tmp_path / "model.safetensors") | changes
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return model


def test_a_directory_of_llm_compressor_runs_on_our_kernels(tmp_path: Path) -> None:
    model = foreign(tmp_path)
    loaded = OptimizedModel.from_pretrained(tmp_path)
    recipe = recipe_of(loaded)
    assert isinstance(recipe, Recipe)
    assert recipe.fallbacks == (FALLBACK,)
    assert torch.equal(logits(loaded), logits(model))


def test_codes_of_minus_128_and_calibrated_inputs_are_taken(tmp_path: Path) -> None:
    zeros = torch.zeros(3, 1, dtype=torch.int8)
    codes = torch.full((3, 32), -128, dtype=torch.int8)
    changes = {
        "classifier.weight": codes,
        "classifier.weight_zero_point": zeros,
        "classifier.input_scale": torch.ones(1),
    }
    foreign(tmp_path, **changes)
    assert int(OptimizedModel.from_pretrained(tmp_path).classifier.qweight.min()) == -127


def test_a_scale_per_tensor_is_one_for_all_rows(tmp_path: Path) -> None:
    foreign(tmp_path, **{"classifier.weight_scale": torch.tensor([0.5])})
    assert torch.equal(OptimizedModel.from_pretrained(tmp_path).classifier.scale, torch.full((3,), 0.5))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"classifier.weight_zero_point": torch.ones(3, 1, dtype=torch.int8)}, "is not zero"),
        ({"classifier.weight": torch.zeros(3, 32)}, "is not int8"),
        ({"classifier.weight": torch.zeros(3, 31, dtype=torch.int8)}, "does not fit"),
        ({"extra": torch.zeros(3)}, "no place for"),
    ],
)
def test_a_damaged_directory_is_one_error(tensors: dict[str, torch.Tensor], message: str, tmp_path: Path) -> None:
    foreign(tmp_path, **tensors)
    with pytest.raises(CheckpointError, match=message):
        OptimizedModel.from_pretrained(tmp_path)


def test_a_recipe_that_is_not_the_tensors_is_refused(tmp_path: Path) -> None:
    save(int8(tiny_bert()), tmp_path)
    recipe = config_of(tmp_path)["nc_trainer_recipe"]
    recipe["modules"][FALLBACK] = Precision.INT8_DYNAMIC.value
    change_config(tmp_path, nc_trainer_recipe=recipe)
    with pytest.raises(CheckpointError, match="do not name the same int8 modules"):
        OptimizedModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("weights", {"num_bits": 4}, "weights are not symmetric int8"),
        ("weights", {"symmetric": False}, "weights are not symmetric int8"),
        ("weights", {"type": "float"}, "weights are not symmetric int8"),
        ("weights", {"strategy": "group"}, "per group"),
        ("input_activations", None, "activations are not int8"),
    ],
)
def test_other_schemes_are_one_line(part: str, change: dict[str, Any] | None, message: str, tmp_path: Path) -> None:
    save(int8(tiny_bert()), tmp_path)
    quantization = config_of(tmp_path)["quantization_config"]
    group = quantization["config_groups"]["group_0"]
    group[part] = None if change is None else group[part] | change
    change_config(tmp_path, quantization_config=quantization)
    with pytest.raises(CheckpointError, match=message) as error:
        OptimizedModel.from_pretrained(tmp_path)
    assert "\n" not in str(error.value)


def test_the_command_converts_both_ways(tmp_path: Path) -> None:
    model = int8(tiny_bert())
    save_for_huggingface_upstream(model, tiny_tokenizer(), tmp_path / "own")
    assert main(["convert", str(tmp_path / "own"), str(tmp_path / "ct"), "--format", "compressed-tensors"]) == 0
    assert config_of(tmp_path / "ct")["quantization_config"]["quant_method"] == "compressed-tensors"
    assert (tmp_path / "ct" / "tokenizer.json").is_file()
    assert main(["convert", str(tmp_path / "ct"), str(tmp_path / "back")]) == 0
    assert config_of(tmp_path / "back")["quantization_config"]["quant_method"] == "nc_int8"
    assert "nc_trainer_recipe" not in config_of(tmp_path / "back")
    assert torch.equal(logits(OptimizedModel.from_pretrained(tmp_path / "back")), logits(model))
