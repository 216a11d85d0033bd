"""A BART with two labels that nobody named: transformers 5 reads what it saves itself of such a model with three."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.architectures import small
from helpers.tiny import tiny_trainer, token_rows
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.experimental.common import Model
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

IDS = torch.tensor([[5, 6, 7, 8, 2], [9, 10, 11, 12, 2]])


def with_trainer(model: PreTrainedModel, directory: Path) -> None:
    tiny_trainer(directory, model, eval_dataset=token_rows()).save_model(str(directory))


def upstream(model: PreTrainedModel, directory: Path) -> None:
    save_for_huggingface_upstream(model, None, directory)


def with_old_names(model: PreTrainedModel, directory: Path) -> None:
    Model(model).save(directory)


@pytest.mark.parametrize("name", ["bart", "mbart", "bert"])
@pytest.mark.parametrize("save", [with_trainer, upstream, with_old_names])
def test_two_unnamed_labels_stay_two(save: Callable[[PreTrainedModel, Path], None], name: str, tmp_path: Path) -> None:
    model = small(name, num_labels=2)
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save(model, tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).id2label == {0: "LABEL_0", 1: "LABEL_1"}
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(IDS).logits, model(IDS).logits)
