"""Which columns are chosen to stay in float, and where they are enough."""

import pytest
import torch
from helpers.tiny import tiny_bert
from torch import nn
from transformers.pytorch_utils import Conv1D

from nc_trainer.int8.quantize import ModuleSwapper, full_recipe, is_int8
from nc_trainer.search.calibration.column_choice import choose_columns, columns_that_help
from nc_trainer.search.calibration.sensitivity import sensitivities

VALUE, OUT = (f"bert.encoder.layer.1.attention.{name}" for name in ("self.value", "output.dense"))


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(64, 32).requires_grad_(False)


def test_the_columns_of_large_inputs_are_chosen() -> None:
    x = torch.randn(50, 64)
    x[:, [9, 40]] *= 500
    assert choose_columns(linear(), x) == (9, 40)


@pytest.mark.parametrize("kind", [nn.Linear, Conv1D])
def test_the_columns_of_large_weights_are_chosen(kind: type[nn.Module]) -> None:
    module = linear()
    module.weight[:, [9, 40]] *= 500
    conv = Conv1D(32, 64).requires_grad_(False)
    conv.weight.data, conv.bias.data = module.weight.t().contiguous(), module.bias
    assert choose_columns(conv if kind is Conv1D else module, torch.randn(50, 64)) == (9, 40)


def test_no_more_columns_are_chosen_than_help() -> None:
    assert len(choose_columns(linear(), torch.randn(50, 64))) == 1


def hardened(factor: float) -> nn.Module:
    """A channel of the values is made larger, and the next layer divides by as much: int8 is coarse in both."""
    model = tiny_bert()
    value, out = model.get_submodule(VALUE), model.get_submodule(OUT)
    with torch.no_grad():
        value.weight[3] *= factor
        value.bias[3] *= factor
        out.weight[:, 3] /= factor
    return model


def batches() -> list[dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    ids = torch.randint(3, 30, (4, 2, 12))
    return [{"input_ids": batch, "attention_mask": torch.ones_like(batch)} for batch in ids]


def test_a_module_that_stands_out_gets_the_columns_that_make_it_so() -> None:
    model = hardened(2.0**10)
    swapper, recipe = ModuleSwapper(model), full_recipe(model)
    damage = sensitivities(swapper, recipe, batches())
    found = columns_that_help(swapper, recipe, damage, batches())
    assert max(damage, key=lambda name: damage[name]) == OUT
    assert 3 in found[OUT]
    left = sensitivities(swapper, recipe.with_float_columns(found), batches())
    assert left[OUT] < damage[OUT] / 20
    assert not is_int8(model)


def test_nothing_is_tried_where_no_module_stands_out() -> None:
    model = tiny_bert()
    recipe = full_recipe(model)
    assert columns_that_help(ModuleSwapper(model), recipe, dict.fromkeys(recipe.modules, 1.0), []) == {}
