"""Fake quantization: the forward pass of int8, gradients of the rounded layer, and the float model again after."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from helpers.architectures import CONFIGS, small
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.int8.nn import KINDS, FloatConv1D, FloatLinear, Int8Linear, Projection
from nc_trainer.int8.ops import dequantize_rows, quantize_rows, use_engine
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.int8.replay import logits
from nc_trainer.int8.training import FAKE_QUANTIZED, fake_quantize
from nc_trainer.int8.training.straight_through import straight_through_linear

BATCH = {
    "input_ids": torch.tensor([[5, 6, 7, 8, 9, 10, 11, 2], [13, 14, 15, 16, 2, 1, 1, 1]]),
    "attention_mask": torch.tensor([[1] * 8, [1] * 5 + [0] * 3]),
}


def batch_for(name: str) -> dict[str, Tensor]:
    """Transformer-XL knows no mask."""
    return {key: value for key, value in BATCH.items() if name != "transfo-xl" or key == "input_ids"}


@contextmanager
def fake_quantized(model: nn.Module, recipe: Recipe) -> Iterator[None]:
    undo = fake_quantize(model, recipe)
    try:
        yield
    finally:
        undo()


def test_every_kind_of_module_has_a_fake_quantized_form() -> None:
    of_int8_models = {FloatLinear, FloatConv1D}  # they replace layers that stay in float, and nothing trains there
    assert set(FAKE_QUANTIZED) | {Projection} == set(KINDS) - of_int8_models


@pytest.mark.parametrize("embeddings", [False, True], ids=["linear", "embeddings"])
@pytest.mark.parametrize("name", CONFIGS)
def test_logits_have_the_bits_of_the_int8_models(name: str, embeddings: bool) -> None:
    model = small(name)
    recipe = full_recipe(model, embeddings=embeddings)
    swapper = ModuleSwapper(model)
    swapper.apply(recipe)
    expected = logits(model, batch_for(name))[0]
    swapper.restore()
    in_float = logits(model, batch_for(name))[0]
    with fake_quantized(model, recipe):
        assert torch.equal(logits(model, batch_for(name))[0], expected)
    assert torch.equal(logits(model, batch_for(name))[0], in_float)
    assert not torch.equal(expected, in_float)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_weight_of_an_int8_module_gets_a_gradient_close_to_the_float_models(name: str) -> None:
    model = small(name)
    recipe = full_recipe(model, embeddings=True)

    def gradients() -> dict[str, Tensor]:
        model.zero_grad()
        model(**batch_for(name), labels=torch.tensor([0, 2])).loss.backward()
        return {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}

    in_float = gradients()
    with fake_quantized(model, recipe):
        found = gradients()
    assert found.keys() == in_float.keys()
    for key, gradient in in_float.items():
        assert (found[key] - gradient).norm() <= 0.3 * gradient.norm() + 1e-4, key


@pytest.mark.parametrize("name", ["bert", "gpt2", "xlnet", "funnel"])
def test_parameters_and_keys_are_those_of_the_float_model(name: str) -> None:
    model = small(name)
    parameters = dict(model.named_parameters())
    keys = list(model.state_dict())
    with fake_quantized(model, full_recipe(model, embeddings=True)):
        assert {key: id(p) for key, p in model.named_parameters()} == {key: id(p) for key, p in parameters.items()}
        assert list(model.state_dict()) == keys
        copied = copy.deepcopy(model)
        assert torch.equal(logits(copied, BATCH)[0], logits(model, BATCH)[0])
    assert [type(module) for module in model.modules()] == [type(module) for module in small(name).modules()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("engine", ["reference", None])
@given(rows=st.integers(1, 4), outputs=st.integers(1, 20), inputs=st.integers(1, 70), seed=st.integers(0, 99))
def test_a_layer_has_the_bits_of_the_int8_layer_and_the_gradients_of_the_rounded_one(
    engine: str | None, dtype: torch.dtype, rows: int, outputs: int, inputs: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, weight, bias, gradient = (
        torch.randn(shape, generator=generator).to(dtype)
        for shape in ((2, rows, inputs), (outputs, inputs), (outputs,), (2, rows, outputs))
    )
    linear = nn.Linear(inputs, outputs, dtype=dtype)
    linear.weight.data, linear.bias.data = weight, bias
    asked = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
    with use_engine(engine) if engine else _nothing():
        y = straight_through_linear(*asked)
        assert torch.equal(y, Int8Linear.from_float(linear.eval()).eval()(x))
    of_x, of_weight, of_bias = torch.autograd.grad(y, asked, gradient)
    flat = x.flatten(0, 1)
    rounded_x, rounded = (dequantize_rows(*quantize_rows(t)).to(dtype) for t in (flat, weight))
    assert torch.equal(of_x, gradient @ rounded)
    assert torch.equal(of_weight, gradient.flatten(0, 1).t() @ rounded_x)
    assert torch.equal(of_bias, gradient.flatten(0, 1).sum(0))


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def test_autocast_of_a_loop_of_ones_own_does_not_change_a_bit() -> None:
    """The reference engine multiplies codes in fp32, which autocast would do in bf16."""
    x, weight = torch.randn(4, 700), torch.randn(6, 700)
    with use_engine("reference"):
        expected = straight_through_linear(x, weight)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(straight_through_linear(x, weight), expected)


def test_a_row_of_zeros_is_not_dead() -> None:
    weight = torch.zeros(3, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(straight_through_linear(torch.ones(2, 4), weight).sum(), weight)
    assert torch.equal(gradient, torch.full((3, 4), 2.0))


def test_frozen_weights_stay_frozen() -> None:
    model = small("bert")
    model.bert.requires_grad_(False)
    with fake_quantized(model, full_recipe(model)):
        model(**BATCH, labels=torch.tensor([0, 2])).loss.backward()
    assert [key for key, p in model.named_parameters() if p.grad is not None] == [
        "classifier.weight",
        "classifier.bias",
    ]


def test_a_recipe_that_does_not_fit_changes_nothing() -> None:
    model = small("bert")
    with pytest.raises(QuantizationError, match="no_such"):
        fake_quantize(model, Recipe(dict.fromkeys(("bert.pooler.dense", "no_such"), Precision.INT8_DYNAMIC)))
    assert type(model.bert.pooler.dense) is nn.Linear


def test_a_recipe_with_fallbacks_leaves_them_in_float() -> None:
    model = small("bert")
    with fake_quantized(model, full_recipe(model).with_fallbacks(["classifier"])):
        assert type(model.classifier) is nn.Linear
        assert type(model.bert.pooler.dense) is FAKE_QUANTIZED[nn.Linear]
