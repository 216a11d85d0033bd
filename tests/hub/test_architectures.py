"""Every architecture of the original's table saves and reloads bit-equal, with and without int8 embeddings."""

from pathlib import Path

import pytest
import torch
from helpers.architectures import CONFIGS, small
from helpers.logits import IDS, logits
from transformers import AutoModelForSequenceClassification

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.fusion import with_fusions
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe


@pytest.mark.parametrize("float_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("embeddings", [False, True], ids=["linear", "linear-and-embeddings"])
@pytest.mark.parametrize("name", list(CONFIGS))
def test_reload_is_bit_equal(name: str, embeddings: bool, float_dtype: str, tmp_path: Path) -> None:
    model = small(name)
    before = logits(model)
    recipe = full_recipe(model, embeddings=embeddings).with_rest_in(float_dtype)
    recipe = with_fusions(model, recipe, [{"input_ids": IDS}])
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    quantized = logits(model)
    assert not torch.equal(quantized, before)
    assert bool(quantized.isfinite().all())
    save_for_huggingface_upstream(model, None, tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(loaded) is type(model)
    assert torch.equal(logits(loaded), quantized)


def test_gpt2_is_int8_in_every_layer() -> None:
    modules = full_recipe(small("gpt2")).modules
    assert [name for name in modules if ".h.0." in name] == [
        f"transformer.h.0.{part}" for part in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    ]
