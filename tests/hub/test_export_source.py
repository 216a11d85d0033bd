"""Which layers other runtimes are asked to make int8."""

import torch
from helpers.tiny import tiny_bert

from nc_trainer.hub.export.source import ExportSource
from nc_trainer.int8.quantize import full_recipe


def test_fallbacks_and_layers_with_columns_in_float_stay_in_float() -> None:
    model = tiny_bert()
    recipe = full_recipe(model, embeddings=True).only(["bert.pooler.dense", "classifier"])
    recipe = recipe.with_float_columns({"bert.pooler.dense": [3]})
    source = ExportSource(model, model, recipe, [{"input_ids": torch.ones(1, 4, dtype=torch.long)}], 128)
    assert source.linear_modules() == ("classifier",)
