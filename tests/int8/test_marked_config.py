"""A model that is quantized here has the mark that transformers sets in the config of one that it loads."""

import json
from pathlib import Path

from transformers import BertConfig, BertForSequenceClassification

from nc_trainer import save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.marked_config import MARK
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 64,
}


def test_the_mark_is_that_of_a_loaded_model_and_goes_with_the_int8_modules(tmp_path: Path) -> None:
    model = BertForSequenceClassification(BertConfig(**SIZES))
    swapper, recipe = ModuleSwapper(model), full_recipe(model)
    swapper.apply(recipe)
    attach(model, recipe)
    save_for_huggingface_upstream(model, None, tmp_path)
    loaded = BertForSequenceClassification.from_pretrained(tmp_path)
    assert hasattr(model.config, MARK) == hasattr(loaded.config, MARK)
    swapper.restore()
    assert not hasattr(model.config, MARK)


def test_the_mark_is_not_saved(tmp_path: Path) -> None:
    model = BertForSequenceClassification(BertConfig(**SIZES))
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    save_for_huggingface_upstream(model, None, tmp_path)
    assert MARK not in json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
