"""`OptimizedModelForX`: the class comes from the task, for directories of every format."""

import json
from pathlib import Path

import pytest
import torch
from helpers.encoder_decoders import small_encoder_decoder
from helpers.tiny import tiny_bert, tiny_tokenizer
from transformers import (
    ASTForAudioClassification,
    BartForConditionalGeneration,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedModel,
    ViTForImageClassification,
    set_seed,
)

import nc_trainer
from nc_trainer import CheckpointError, NCTrainerError, OptimizedModel, save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

BERT_TASKS: dict[str, type[PreTrainedModel]] = {
    "SequenceClassification": BertForSequenceClassification,
    "TokenClassification": BertForTokenClassification,
    "QuestionAnswering": BertForQuestionAnswering,
    "MultipleChoice": BertForMultipleChoice,
}
MEDIA_TASKS: dict[str, type[PreTrainedModel]] = {
    "ImageClassification": ViTForImageClassification,
    "AudioClassification": ASTForAudioClassification,
}
TASKS = BERT_TASKS | MEDIA_TASKS | {"Seq2SeqLM": BartForConditionalGeneration}


def facade(task: str) -> type[OptimizedModel]:
    return getattr(nc_trainer, f"OptimizedModelFor{task}")


def float_model(task: str) -> PreTrainedModel:
    if task == "Seq2SeqLM":
        return small_encoder_decoder("bart")
    set_seed(0)
    if task in MEDIA_TASKS:
        sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
        return TASKS[task](TASKS[task].config_class(**sizes, num_labels=2)).eval()
    return TASKS[task](tiny_bert(num_labels=2).config).eval()


def int8_model(task: str) -> PreTrainedModel:
    model = float_model(task)
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    return model


def change_architectures(directory: Path, names: list[str] | None) -> None:
    path = directory / "config.json"
    config = json.loads(path.read_text()) | {"architectures": names}
    config.get("quantization_config", {}).pop("config_digest", None)
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("named", [True, False], ids=["named", "without-architectures"])
def test_an_int8_directory_comes_back_bit_for_bit_as_the_class_of_the_task(
    task: str, named: bool, tmp_path: Path
) -> None:
    model = int8_model(task)
    save_for_huggingface_upstream(model, None, tmp_path)
    if not named:
        change_architectures(tmp_path, None)
    loaded = facade(task).from_pretrained(tmp_path)
    assert type(loaded) is TASKS[task]
    expected, found = model.state_dict(), loaded.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("task", TASKS)
def test_a_float_directory_is_loaded_too(task: str, tmp_path: Path) -> None:
    float_model(task).save_pretrained(tmp_path)
    assert type(facade(task).from_pretrained(tmp_path)) is TASKS[task]


@pytest.mark.parametrize("held", BERT_TASKS)
@pytest.mark.parametrize("asked", BERT_TASKS)
def test_a_directory_of_another_task_is_refused_by_both_names(held: str, asked: str, tmp_path: Path) -> None:
    save_for_huggingface_upstream(int8_model(held), None, tmp_path)
    if held == asked:
        assert facade(asked).from_pretrained(tmp_path)
        return
    message = f"OptimizedModelFor{asked} loads BertFor{asked}, but config.json names BertFor{held}"
    with pytest.raises(CheckpointError, match=message):
        facade(asked).from_pretrained(tmp_path)


def test_a_model_without_a_head_is_refused_where_an_auto_class_would_make_one_up(tmp_path: Path) -> None:
    BertModel(tiny_bert().config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="names BertModel"):
        facade("SequenceClassification").from_pretrained(tmp_path)


def test_without_architectures_weights_of_another_task_are_refused_by_their_names(tmp_path: Path) -> None:
    float_model("QuestionAnswering").save_pretrained(tmp_path)
    change_architectures(tmp_path, None)
    with pytest.raises(CheckpointError, match=r"classifier\.weight"):
        facade("SequenceClassification").from_pretrained(tmp_path)


def test_a_family_that_does_not_know_the_task_is_refused(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=50, n_embd=32, n_layer=1, n_head=2, pad_token_id=0)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="transformers has no class for this task with GPT2Config"):
        facade("MultipleChoice").from_pretrained(tmp_path)


@pytest.mark.parametrize("task", BERT_TASKS)
def test_directories_of_compressed_tensors_are_loaded_by_task_and_refused_by_task(task: str, tmp_path: Path) -> None:
    save_for_huggingface_upstream(int8_model(task), tiny_tokenizer(), tmp_path, save_format="compressed-tensors")
    assert type(facade(task).from_pretrained(tmp_path)) is TASKS[task]
    other = next(name for name in BERT_TASKS if name != task)
    with pytest.raises(CheckpointError, match=f"names BertFor{task}"):
        facade(other).from_pretrained(tmp_path)


@pytest.mark.parametrize("task", TASKS)
def test_it_is_not_instantiated(task: str) -> None:
    with pytest.raises(NCTrainerError, match=f"call `OptimizedModelFor{task}.from_pretrained"):
        facade(task)()
