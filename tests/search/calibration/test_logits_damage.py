import math

import pytest
import torch
from helpers.tiny import VOCABULARY, tiny_bert

from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.search.calibration.damage import LogitsDamage
from nc_trainer.search.calibration.sensitivity import sensitivities

BATCHES = [{"input_ids": torch.arange(10).reshape(2, 5) % VOCABULARY}, {"input_ids": torch.arange(7).reshape(1, 7)}]
LOGITS = 3 * 3  # rows * labels


def test_the_float_model_does_no_damage_and_int8_does() -> None:
    model = tiny_bert()
    recipe = full_recipe(model)
    damage = LogitsDamage(ModuleSwapper(model), BATCHES)
    assert damage(recipe.only([])) == 0.0
    assert damage(recipe) > 0.0


def test_it_is_the_mean_of_what_the_ranking_sums() -> None:
    model = tiny_bert()
    recipe, swapper = full_recipe(model), ModuleSwapper(model)
    summed = sensitivities(swapper, recipe, BATCHES)
    damage = LogitsDamage(swapper, BATCHES)
    for name in ("bert.pooler.dense", "classifier"):
        assert damage(recipe.only([name])) == pytest.approx(summed[name] / LOGITS)


def test_it_does_not_depend_on_the_recipe_the_model_is_in() -> None:
    model = tiny_bert()
    recipe, swapper = full_recipe(model), ModuleSwapper(model)
    expected = LogitsDamage(swapper, BATCHES)(recipe)
    assert LogitsDamage(swapper, BATCHES)(recipe) == expected


def test_logits_that_are_not_finite_are_infinitely_wrong() -> None:
    model = tiny_bert()
    damage = LogitsDamage(ModuleSwapper(model), BATCHES)
    damage(full_recipe(model).only([]))
    with torch.no_grad():
        model.classifier.bias[0] = math.nan
    assert damage(full_recipe(model).only([])) == math.inf
