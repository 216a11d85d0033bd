import torch
from helpers.tiny import tiny_bert

from nc_trainer.hub import attach, describe_engine
from nc_trainer.int8.ops import use_engine
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe


def test_the_first_int8_model_is_described() -> None:
    model = tiny_bert()
    recipe = full_recipe(model).with_rest_in("bfloat16")
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    with use_engine("reference"):
        expected = "reference; rest in bfloat16; attention: native; padding: computed"
        assert describe_engine(tiny_bert(), model) == expected


def test_a_float_model_has_no_engine() -> None:
    assert describe_engine(torch.nn.Linear(2, 2)) is None
