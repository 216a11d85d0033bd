"""Classes of pictures that do not say which module is their input embedding: int8 directories load all the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    PoolFormerConfig,
    PoolFormerForImageClassification,
    PreTrainedModel,
    set_seed,
)

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

STAGES = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 16, 16]}


def convnext() -> PreTrainedModel:
    return ConvNextForImageClassification(ConvNextConfig(**STAGES, num_labels=3))


def poolformer() -> PreTrainedModel:
    return PoolFormerForImageClassification(PoolFormerConfig(**STAGES, num_labels=3))


@pytest.mark.parametrize("build", [convnext, poolformer])
def test_reload_is_bit_equal(build: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    set_seed(0)
    model = build().eval()
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    pictures = torch.randn(2, 3, 64, 64)
    save_for_huggingface_upstream(model, None, tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(pictures).logits, model(pictures).logits)
