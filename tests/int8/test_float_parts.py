"""The rest of an int8 model in bfloat16, and back without losing a bit."""

import pytest
import torch
from helpers.logits import logits
from helpers.tiny import tiny_bert

from nc_trainer.int8.quantize import ModuleSwapper, full_recipe


@pytest.mark.parametrize("embeddings", [False, True], ids=["float-embeddings", "int8-embeddings"])
def test_everything_that_is_not_int8_computes_in_bfloat16(embeddings: bool) -> None:
    model = tiny_bert()
    ModuleSwapper(model).apply(full_recipe(model, embeddings=embeddings).with_rest_in("bfloat16"))
    assert logits(model).dtype == torch.float32  # as the float model's
    floats = {name: t.dtype for name, t in model.state_dict().items() if t.is_floating_point()}
    assert {d for name, d in floats.items() if "LayerNorm" in name} == {torch.bfloat16}
    assert {d for name, d in floats.items() if name.endswith("query.scale")} == {torch.float32}


def test_restore_gives_every_bit_back() -> None:
    model = tiny_bert()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    swapper, recipe = ModuleSwapper(model), full_recipe(model).with_rest_in("bfloat16")
    swapper.apply(recipe.with_fallbacks(recipe.modules))
    swapper.apply(recipe)
    swapper.restore()
    after = model.state_dict()
    assert {name: tensor.dtype for name, tensor in after.items()} == {name: t.dtype for name, t in before.items()}
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_tensor_that_is_a_plain_attribute_is_cast_too_and_comes_back() -> None:
    model = tiny_bert()
    model.bert.positions = torch.randn(4)
    swapper = ModuleSwapper(model)
    swapper.apply(full_recipe(model).with_rest_in("bfloat16"))
    assert model.bert.positions.dtype == torch.bfloat16
    swapper.restore()
    assert model.bert.positions.dtype == torch.float32


def test_int8_weights_come_from_the_float_ones_whatever_was_cast_before() -> None:
    model = tiny_bert()
    recipe = full_recipe(model)
    expected = ModuleSwapper(tiny_bert())
    expected.apply(recipe)
    swapper = ModuleSwapper(model)
    swapper.apply(recipe.with_fallbacks(recipe.modules).with_rest_in("bfloat16"))
    swapper.apply(recipe)
    assert torch.equal(logits(model), logits(expected.model))
