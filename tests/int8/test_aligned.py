"""Weights lie in memory as torch itself would put them, wherever they came from: its kernels round by that."""

from pathlib import Path

import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.aligned import ALIGNMENT, align_tensors
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

SIZES = {
    "hidden_size": 20,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 28,
    "vocab_size": 61,
}


def is_aligned(model: nn.Module) -> bool:
    return all(tensor.data_ptr() % ALIGNMENT == 0 for tensor in (*model.parameters(), *model.buffers()))


def test_a_tensor_that_is_not_aligned_is_moved_and_keeps_its_values() -> None:
    layer = nn.Linear(3, 5)
    weight, values = layer.weight, layer.weight.detach().clone()
    layer.weight.data = torch.cat([torch.zeros(1), values.flatten()])[1:].view(5, 3)
    assert not is_aligned(layer)
    align_tensors(layer)
    assert is_aligned(layer)
    assert layer.weight is weight
    assert torch.equal(layer.weight, values)


def test_a_float_model_from_a_file_is_aligned_when_it_is_quantized(tmp_path: Path) -> None:
    BertForSequenceClassification(BertConfig(**SIZES)).save_pretrained(tmp_path)
    model = BertForSequenceClassification.from_pretrained(tmp_path)
    ModuleSwapper(model).apply(full_recipe(model))
    assert is_aligned(model)


def test_an_int8_model_is_aligned_when_it_is_loaded(tmp_path: Path) -> None:
    model = BertForSequenceClassification(BertConfig(**SIZES))
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save_for_huggingface_upstream(model, None, tmp_path)
    assert is_aligned(BertForSequenceClassification.from_pretrained(tmp_path))
