"""Linear layers that multiply a few columns of their input in float."""

import pytest
import torch
from helpers.logits import logits
from helpers.tiny import tiny_bert
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from nc_trainer.int8.nn import KINDS, Int8Linear
from nc_trainer.int8.ops import ACTIVATIONS, quantize_rows, use_engine
from nc_trainer.int8.ops.engines import ENGINES, native
from nc_trainer.int8.ops.float_activation import float_activation
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

COLUMNS = (3, 17)
INT8_ENGINES = [name for name, engine in ENGINES.items() if engine.unavailable_reason() is None]


def layer(inputs: int = 70, outputs: int = 20, columns: tuple[int, ...] = COLUMNS) -> tuple[nn.Linear, Int8Linear]:
    torch.manual_seed(0)
    linear = nn.Linear(inputs, outputs).requires_grad_(False)
    return linear, Int8Linear.from_float(linear, columns).eval()


def as_documented(linear: nn.Linear, x: Tensor, columns: tuple[int, ...]) -> Tensor:
    """The order of roundings in docs/format.md."""
    weight, rows = linear.weight.clone(), x.float().clone()
    weight[:, list(columns)] = 0
    rows[:, list(columns)] = 0
    (codes, row_scales), (qweight, scales) = quantize_rows(rows), quantize_rows(weight)
    products = (codes.long() @ qweight.t().long()).float()
    y = products * scales * row_scales.unsqueeze(1) + linear.bias
    for column in columns:
        y = y + x[:, column : column + 1].float() * linear.weight[:, column]
    return y.to(x.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("engine", INT8_ENGINES)
def test_every_engine_returns_the_documented_bits(engine: str, dtype: torch.dtype) -> None:
    linear, module = layer()
    x = torch.randn(9, 70).to(dtype)
    with use_engine(engine):
        assert torch.equal(module(x), as_documented(linear, x, COLUMNS))


@given(st.integers(1, 40), st.integers(0, 39))
def test_a_row_does_not_depend_on_the_others(rows: int, row: int) -> None:
    _, module = layer()
    x = torch.randn(rows, 70)
    row %= rows
    assert torch.equal(module(x)[row], module(x[row : row + 1])[0])


@pytest.mark.parametrize("threads", [1, 2])
def test_nor_on_threads(threads: int) -> None:
    _, module = layer(70, 600)
    x = torch.randn(300, 70)
    before, expected = torch.get_num_threads(), module(x[:7])
    torch.set_num_threads(threads)
    try:
        assert torch.equal(module(x)[:7], expected)
    finally:
        torch.set_num_threads(before)


def test_compiled_it_gives_the_same_bits() -> None:
    _, module = layer()
    x = torch.randn(2, 3, 70)
    assert torch.equal(torch.compile(module, backend="aot_eager")(x), module(x))


@pytest.mark.skipif(native.unavailable_reason() is not None, reason="the native engine cannot run here")
@pytest.mark.parametrize("shapes", [((4, 6), (4, 2), (2, 5)), ((4, 6), (3, 2), (2, 6)), ((4, 6), (4, 2), (1, 6))])
def test_the_kernel_refuses_shapes_that_do_not_fit(shapes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(RuntimeError, match="must be a contiguous fp32 CPU tensor of shape"):
        torch.ops.nc_trainer_native.add_columns(*map(torch.zeros, shapes))


def test_packed_weights_give_the_same_bits() -> None:
    _, module = layer(128, 64)
    x = torch.randn(3, 5, 128)
    before = module(x)
    module.pack_weights()
    assert torch.equal(module(x), before)


def test_outliers_of_inputs_and_of_weights_do_no_harm_in_float() -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(64, 32).requires_grad_(False), torch.randn(40, 64)
    x[:, 3] *= 300
    linear.weight[:, 17] *= 300
    errors = [
        float((Int8Linear.from_float(linear, columns).eval()(x) - linear(x)).norm() / linear(x).norm())
        for columns in ((), COLUMNS)
    ]
    assert errors[0] > 0.03
    assert errors[1] < 0.001


def test_the_input_is_left_as_it_is() -> None:
    _, module = layer()
    x = torch.randn(2, 70)
    before = x.clone()
    module(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_see_the_whole_sum(activation: str) -> None:
    linear, module = layer()
    x = torch.randn(4, 70)
    module.activation = activation
    assert torch.equal(module(x), float_activation(as_documented(linear, x, COLUMNS), activation))


def test_state_and_loading() -> None:
    linear, module = layer()
    assert list(module.state_dict()) == ["qweight", "scale", "bias", "float_columns"]
    assert module.float_columns is not None
    assert torch.equal(module.float_columns, linear.weight[:, list(COLUMNS)].t())
    assert not module.qweight[:, list(COLUMNS)].any()
    empty = Int8Linear.empty_like(linear, COLUMNS).eval()
    empty.load_state_dict(module.state_dict(), strict=True)
    x = torch.randn(2, 70)
    assert torch.equal(empty(x), module(x))


def test_conv1d_is_the_linear_layer_of_its_transposed_weight() -> None:
    linear, module = layer()
    conv = Conv1D(20, 70)
    conv.weight.data, conv.bias.data = linear.weight.t().contiguous(), linear.bias
    x = torch.randn(2, 70)
    kind = KINDS[Conv1D]
    assert torch.equal(kind.from_float(conv, columns=COLUMNS).eval()(x), module(x))
    assert list(kind.empty_like(conv, columns=COLUMNS).state_dict()) == list(module.state_dict())


@pytest.mark.parametrize("float_dtype", ["float32", "bfloat16"])
def test_in_a_model_one_layer_of_a_group_may_have_columns(float_dtype: str) -> None:
    model = tiny_bert()
    swapper, query = ModuleSwapper(model), "bert.encoder.layer.0.attention.self.query"
    group = tuple(query.replace("query", name) for name in ("query", "key", "value"))
    recipe = full_recipe(model).with_rest_in(float_dtype).fused([group], {})
    swapper.apply(recipe)
    plain = logits(model)
    swapper.apply(recipe.with_float_columns({query: [1, 4]}))
    changed = logits(model)
    assert model.get_submodule(query).columns == [1, 4]
    assert not torch.equal(changed, plain)
    assert torch.allclose(changed, plain, atol=0.3)
    swapper.apply(recipe)
    assert torch.equal(logits(model), plain)
