"""transformers initializes weights when it has loaded an int8 model; some families reach into the modules inside."""

from pathlib import Path
from typing import Any

import torch
from helpers.logits import logits
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, set_seed

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.nn import Int8Linear
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 64}


class Head(nn.Module):
    """Has a buffer that no checkpoint holds, so that transformers initializes it after loading."""

    factor: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(16, 2)
        self.register_buffer("factor", torch.full((1,), 3.0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x) * self.factor


class ReachesInside(BertForSequenceClassification):
    """Does what CLIP and Swin v2 do: writes to the weights of a layer inside, and asks for their dtype."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.classifier = Head()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Head):
            nn.init.normal_(module.dense.weight, std=0.02)
            module.dense.bias.data.zero_()
            nn.init.constant_(module.factor, 3.0)
            self.dtype_inside = next(module.dense.parameters()).dtype


def quantized() -> Any:
    set_seed(0)
    model = ReachesInside(BertConfig(**TINY)).eval()
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    return model


def test_what_was_loaded_stays(tmp_path: Path) -> None:
    model = quantized()
    save_for_huggingface_upstream(model, None, tmp_path)
    loaded = ReachesInside.from_pretrained(tmp_path)
    assert loaded.dtype_inside == torch.float32
    assert torch.equal(logits(loaded), logits(model))


def test_the_loaded_model_has_its_int8_modules_and_its_own_method(tmp_path: Path) -> None:
    save_for_huggingface_upstream(quantized(), None, tmp_path)
    loaded = ReachesInside.from_pretrained(tmp_path)
    assert type(loaded.classifier.dense) is Int8Linear
    assert "initialize_weights" not in vars(loaded)
