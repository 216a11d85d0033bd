"""The states that a model may be in when it is quantized: it works, or one error says what to do."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.logits import logits
from helpers.tiny import tiny_bert, tiny_trainer
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification, PreTrainedModel

from nc_trainer import QuantizationError, QuantizationResult, TuningConfig, save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe, is_int8


def quantized(tmp_path: Path, model: torch.nn.Module, float_dtype: str = "auto", **changes: Any) -> QuantizationResult:
    config = {"quantization": {"float_dtype": float_dtype}, "tuning": {"accuracy_criterion": {"absolute": 0.9}}}
    return tiny_trainer(tmp_path, model, **changes).quantize(TuningConfig.from_dict(config))


def reloaded(tmp_path: Path, result: QuantizationResult) -> PreTrainedModel:
    save_for_huggingface_upstream(result.model, None, tmp_path / "int8")
    return AutoModelForSequenceClassification.from_pretrained(tmp_path / "int8")


def stored_as(stored: torch.dtype, tmp_path: Path, **options: Any) -> BertForSequenceClassification:
    tiny_bert().to(stored).save_pretrained(tmp_path / "float")
    return AutoModelForSequenceClassification.from_pretrained(tmp_path / "float", **options)


# peft 0.21 reads an attribute that transformers 5 has given another name
# (https://github.com/huggingface/peft/blob/main/src/peft/peft_model.py). Until a release of it does not.
PEFT_WARNS = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
HALF = pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16], ids=str)


@HALF
@pytest.mark.parametrize("float_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("options", [{"dtype": "auto"}, {"dtype": torch.float32}, {}], ids=["auto", "fp32", "default"])
def test_a_checkpoint_in_half_precision_reloads_bit_equal(
    stored: torch.dtype, float_dtype: str, options: dict[str, Any], tmp_path: Path
) -> None:
    result = quantized(tmp_path, stored_as(stored, tmp_path, **options), float_dtype)
    loaded = reloaded(tmp_path, result)
    assert torch.equal(logits(loaded), logits(result.model))
    assert loaded.dtype == result.model.dtype == getattr(torch, float_dtype)


@HALF
def test_a_model_in_half_precision_gives_the_int8_model_of_its_weights_in_float32(
    stored: torch.dtype, tmp_path: Path
) -> None:
    half = quantized(tmp_path, tiny_bert().to(stored), "float32")
    single = quantized(tmp_path / "single", tiny_bert().to(stored).float(), "float32")
    assert torch.equal(logits(half.model), logits(single.model))


@HALF
def test_a_model_in_half_precision_is_given_back_if_the_search_fails(stored: torch.dtype, tmp_path: Path) -> None:
    def fail(prediction: object) -> dict[str, float]:
        seen.append(model.dtype)
        raise RuntimeError("no metric")

    model, seen = tiny_bert().to(stored), list[torch.dtype]()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="no metric"):
        quantized(tmp_path, model, compute_metrics=fail)
    assert seen == [torch.float32]
    assert all(tensor.dtype == before[key].dtype for key, tensor in model.state_dict().items())
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_training_mode_does_not_matter(tmp_path: Path) -> None:
    rows = tiny_trainer(tmp_path).eval_dataset
    result = quantized(tmp_path, tiny_bert().train(), eval_dataset=rows)
    assert result.baseline.value == 1.0
    assert torch.equal(logits(reloaded(tmp_path, result)), logits(result.model))


def test_gradient_checkpointing_may_be_on(tmp_path: Path) -> None:
    model = tiny_bert()
    # The older name is that of transformers 4.57.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable()
    result = quantized(tmp_path, model)
    assert torch.equal(logits(reloaded(tmp_path, result)), logits(result.model))


def test_a_model_compiled_in_place_is_searched_eagerly_and_compiled_again_as_int8(tmp_path: Path) -> None:
    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    graphs: list[Any] = []
    model = tiny_bert()
    model.compile(backend=backend)
    result = quantized(tmp_path, model, eval_dataset=tiny_trainer(tmp_path / "labels").eval_dataset)
    assert graphs == []
    assert torch.equal(logits(reloaded(tmp_path, result)), logits(result.model))
    assert len(graphs) > 0


def test_a_trainer_that_compiles_searches_eagerly(tmp_path: Path) -> None:
    arguments = {"torch_compile": True, "torch_compile_backend": "eager"}
    result = quantized(tmp_path, tiny_bert(), arguments=arguments)
    assert torch.equal(logits(reloaded(tmp_path, result)), logits(result.model))


@pytest.mark.parametrize(
    ("wrap", "remedy"),
    [
        (lambda model: torch.compile(model, backend="eager"), "give the model that `torch.compile` was called with"),
        (torch.nn.DataParallel, "give the model inside it, `.module`"),
    ],
    ids=["torch.compile", "data-parallel"],
)
def test_a_wrapper_is_refused_with_the_way_to_the_model(wrap: Any, remedy: str, tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    trainer.model = wrap(trainer.model)
    with pytest.raises(QuantizationError, match="Expected a transformers model, found a") as raised:
        trainer.quantize()
    assert remedy in str(raised.value)


def test_another_quantization_is_refused(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    trainer.model.quantization_method = "bitsandbytes"
    with pytest.raises(QuantizationError, match="quantized already, by bitsandbytes: load it without"):
        trainer.quantize()


def test_an_int8_model_is_refused(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    recipe = full_recipe(trainer.model)
    ModuleSwapper(trainer.model).apply(recipe)
    attach(trainer.model, recipe)
    with pytest.raises(QuantizationError, match="int8 already"):
        trainer.quantize()


@PEFT_WARNS
def test_an_unmerged_lora_model_is_refused_and_a_merged_one_works(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    settings = peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query", "value"], init_lora_weights=False)
    trainer = tiny_trainer(tmp_path, peft.get_peft_model(tiny_bert(), settings))
    with pytest.raises(QuantizationError, match=r"found a PeftModel.*`merge_and_unload\(\)`"):
        trainer.quantize()
    assert not is_int8(trainer.model)
    trainer.model = trainer.model.merge_and_unload()
    result = trainer.quantize()
    assert len(result.recipe.modules) == 14
    assert torch.equal(logits(reloaded(tmp_path, result)), logits(result.model))


@PEFT_WARNS
def test_adapters_inside_a_model_are_refused_and_can_be_merged_as_the_error_says(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    model = tiny_bert()
    model.add_adapter(peft.LoraConfig(target_modules=["query", "value"], init_lora_weights=False))
    trainer = tiny_trainer(tmp_path, model)
    with pytest.raises(QuantizationError, match=r"has PEFT adapters.*merge_and_unload\(\)"):
        trainer.quantize()
    model.save_pretrained(tmp_path / "adapter")
    trainer.model = peft.PeftModel.from_pretrained(tiny_bert(), tmp_path / "adapter").merge_and_unload()
    torch.testing.assert_close(logits(trainer.model), logits(model))
    result = trainer.quantize()
    assert torch.equal(logits(reloaded(tmp_path, result)), logits(result.model))
