import math

import pytest
import torch
from helpers.tiny import VOCABULARY, tiny_bert
from torch import Tensor, nn

from nc_trainer.int8.nn import Int8Linear
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.search.calibration.activation import activation_errors


class Chain(nn.Module):
    """Two linear modules; the second is called twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 5)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": self.second(self.second(self.first(x)))}


def scaled(x: Tensor) -> Tensor:
    return (x - x.min()) / (x.max() - x.min())


def test_it_is_the_mean_squared_error_of_outputs_scaled_to_one() -> None:
    model = Chain().eval()
    x = torch.randn(7, 6)
    a, b = (Int8Linear.from_float(module) for module in (model.first, model.second))
    with torch.no_grad():
        first = (scaled(model.first(x)) - scaled(a(x))).square().mean()
        once, twice = model.second(model.first(x)), model.second(model.second(model.first(x)))
        calls = [(once, b(a(x))), (twice, b(b(a(x))))]
        second = torch.stack([(scaled(before) - scaled(after)).square().mean() for before, after in calls]).mean()
    errors = activation_errors(ModuleSwapper(model), full_recipe(model), [{"x": x}])
    assert list(errors) == ["first", "second"]
    assert errors == {"first": pytest.approx(float(first)), "second": pytest.approx(float(second))}


def test_batches_are_averaged() -> None:
    model = Chain().eval()
    batches = [{"x": torch.randn(3, 6)}, {"x": torch.randn(5, 6)}]
    alone = [activation_errors(ModuleSwapper(model), full_recipe(model), [batch]) for batch in batches]
    together = activation_errors(ModuleSwapper(model), full_recipe(model), batches)
    assert together == {name: pytest.approx((alone[0][name] + alone[1][name]) / 2) for name in together}


def test_the_model_is_left_in_float_and_without_hooks() -> None:
    model = tiny_bert().train()
    before = dict(model.named_modules())
    activation_errors(ModuleSwapper(model), full_recipe(model), [{"input_ids": torch.randint(VOCABULARY, (2, 5))}])
    assert dict(model.named_modules()) == before
    assert model.training
    assert not any(module._forward_hooks for module in before.values())


def test_a_module_with_an_outlier_channel_stands_out_in_a_transformer() -> None:
    model = tiny_bert()
    name = "bert.encoder.layer.1.output.dense"
    with torch.no_grad():  # one large input channel takes the int8 codes of every token; its weights are zero
        model.bert.encoder.layer[1].intermediate.dense.bias[0] = 3000.0
        model.get_submodule(name).weight[:, 0] = 0.0
    errors = activation_errors(
        ModuleSwapper(model), full_recipe(model), [{"input_ids": torch.randint(VOCABULARY, (4, 8))}]
    )
    assert max(list(errors)[:-2], key=lambda key: errors[key]) == name


@pytest.mark.parametrize(("bias", "expected"), [(0.0, 0.0), (math.inf, math.inf)], ids=["constant", "not-finite"])
def test_outputs_without_a_range(bias: float, expected: float) -> None:
    model = Chain().eval()
    nn.init.zeros_(model.first.weight)
    nn.init.constant_(model.first.bias, bias)
    errors = activation_errors(ModuleSwapper(model), full_recipe(model), [{"x": torch.randn(2, 6)}])
    assert errors["first"] == expected


def test_a_module_that_never_runs_has_no_error() -> None:
    model = Chain().eval()
    model.register_module("unused", nn.Linear(2, 2))
    errors = activation_errors(ModuleSwapper(model), full_recipe(model), [{"x": torch.randn(2, 6)}])
    assert errors["unused"] == 0.0
