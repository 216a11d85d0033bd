"""`pipeline(task, model=directory)` answers what it answers with the model that was saved, in every task."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from helpers.encoder_decoders import small_encoder_decoder
from helpers.tiny import tiny_bert, tiny_tokenizer
from PIL import Image
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    BertForQuestionAnswering,
    BertForTokenClassification,
    BertModel,
    PreTrainedModel,
    ViTConfig,
    ViTForImageClassification,
    pipeline,
    set_seed,
)
from transformers.pipelines import SUPPORTED_TASKS

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

TEXTS = ["w1 w2 w3", "w4 w5", "w6 w7 w8 w9 w10 w11"]
ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
NLI = ("contradiction", "neutral", "entailment")


class Case(NamedTuple):
    """A model of the task, what prepares its inputs, and what is asked.

    `names` are those that the task has: the second one is an alias.
    """

    names: tuple[str, ...]
    model: Callable[[], PreTrainedModel]
    given: Any
    options: Mapping[str, Any] = MappingProxyType({})


def picture_model() -> PreTrainedModel:
    return ViTForImageClassification(ViTConfig(**ENCODER, patch_size=8, image_size=32, num_labels=3))


def sound_model() -> PreTrainedModel:
    return ASTForAudioClassification(ASTConfig(**ENCODER, patch_size=8, num_mel_bins=32, max_length=24, num_labels=3))


def of_bert(kind: type[PreTrainedModel]) -> Callable[[], PreTrainedModel]:
    return lambda: kind(tiny_bert(num_labels=2).config)


QUESTION = {"question": "w1 w2", "context": "w3 w4 w5 w6 w7"}
CASES = {
    "text-classification": Case(("text-classification", "sentiment-analysis"), tiny_bert, TEXTS, {"top_k": None}),
    "zero-shot-classification": Case(
        ("zero-shot-classification",),
        lambda: tiny_bert(id2label=dict(enumerate(NLI)), label2id={name: number for number, name in enumerate(NLI)}),
        TEXTS,
        {"candidate_labels": ["w7", "w8", "w9"], "hypothesis_template": "w3 {}"},
    ),
    "token-classification": Case(("token-classification", "ner"), of_bert(BertForTokenClassification), TEXTS),
    "question-answering": Case(("question-answering",), of_bert(BertForQuestionAnswering), QUESTION),
    "feature-extraction": Case(("feature-extraction",), of_bert(BertModel), TEXTS),
    "text2text-generation": Case(
        ("text2text-generation",), lambda: small_encoder_decoder("bart"), TEXTS, {"max_new_tokens": 5, "num_beams": 1}
    ),
    "image-classification": Case(
        ("image-classification",),
        picture_model,
        [Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3))],
    ),
    "audio-classification": Case(
        ("audio-classification",), sound_model, [np.sin(np.arange(4000, dtype=np.float32) / 9)]
    ),
}
HERE = [name for name in CASES if name in SUPPORTED_TASKS]
"""transformers 5 has no pipeline for questions and for sequences to sequences."""


def saved(task: str, directory: Path) -> PreTrainedModel:
    """The int8 model, which is in the directory with what prepares its inputs."""
    set_seed(0)
    model = CASES[task].model().eval()
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save_for_huggingface_upstream(model, tiny_tokenizer(), directory)
    if task == "image-classification":
        text = '{"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}'
        (directory / "preprocessor_config.json").write_text(text)
    if task == "audio-classification":
        ASTFeatureExtractor(num_mel_bins=32, max_length=24).save_pretrained(directory)
    return model


def asked(task: str, pipe: Any, **options: Any) -> Any:
    case = CASES[task]
    if isinstance(case.given, dict):
        return pipe(**case.given, **case.options, **options)
    return pipe(case.given, **case.options, **options)


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # transformers 4.57, of a question
@pytest.mark.parametrize(("task", "name"), [(task, name) for task in HERE for name in CASES[task].names])
def test_a_pipeline_of_the_directory_gives_the_numbers_of_the_model(task: str, name: str, tmp_path: Path) -> None:
    model = saved(task, tmp_path)
    loaded = pipeline(name, model=str(tmp_path), device="cpu")
    assert any(tensor.dtype == torch.int8 for tensor in loaded.model.state_dict().values())
    parts = ("tokenizer", "image_processor", "feature_extractor")
    prepared = {part: getattr(loaded, part) for part in parts if getattr(loaded, part, None) is not None}
    assert asked(task, loaded) == asked(task, pipeline(name, model=model, device="cpu", **prepared))


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
@pytest.mark.parametrize("task", [task for task in HERE if task.endswith(("classification", "generation"))])
def test_rows_alone_and_in_a_batch_are_answered_alike(task: str, tmp_path: Path) -> None:
    saved(task, tmp_path)
    pipe = pipeline(task, model=str(tmp_path), device="cpu")
    alone, together = asked(task, pipe), asked(task, pipe, batch_size=3)
    assert labels_of(alone) == labels_of(together)


def labels_of(answers: Any) -> Any:
    """What was answered, without the numbers."""
    if isinstance(answers, dict):
        return {key: labels_of(value) for key, value in answers.items() if not isinstance(value, float)}
    if isinstance(answers, list):
        return [labels_of(answer) for answer in answers if not isinstance(answer, float)]
    return answers
