"""Rows of which only a classifier knows that nobody reads them: other models made of its directory compute them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.architectures import HEADS, SMALL
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    Qwen2Config,
    Qwen2ForSequenceClassification,
    set_seed,
)

from nc_trainer.hub import attach
from nc_trainer.int8.nn import Int8Linear
from nc_trainer.int8.proof import proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

IDS = torch.tensor([[5, 6, 7, 8, 9, 2], [10, 11, 2, 1, 1, 1]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS != 1).long()}


class AnotherClassifier(Qwen2ForSequenceClassification):
    """With the same tensors under the same names, and perhaps another forward."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    set_seed(0)
    model = Qwen2ForSequenceClassification(Qwen2Config(**(SMALL | HEADS | {"num_key_value_heads": 2}))).eval()
    swapper = ModuleSwapper(model)
    recipe = proven(swapper, full_recipe(model), INPUTS).recipe
    swapper.apply(recipe)
    attach(model, recipe)
    path = tmp_path_factory.mktemp("int8")
    model.save_pretrained(path)
    return path


def leaves_rows_out(model: nn.Module) -> bool:
    return any(isinstance(module, Int8Linear) and module.read_at for module in model.modules())


def test_the_class_that_was_saved_leaves_them_out(directory: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    assert leaves_rows_out(model)


@pytest.mark.parametrize("kind", [AutoModel, AnotherClassifier])
def test_another_class_computes_them(directory: Path, kind: Any) -> None:
    model = kind.from_pretrained(directory)
    assert not leaves_rows_out(model)
