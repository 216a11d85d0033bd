"""Linear layers and activations in fp32: each output is a sum in one order, whatever is computed beside it."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nc_trainer.int8.ops import use_engine
from nc_trainer.int8.ops.activations import ACTIVATIONS
from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.ops.float_activation import float_activation
from nc_trainer.int8.ops.float_linear import float_linear

native_only = pytest.mark.skipif(native.unavailable_reason() is not None, reason="no native engine here")
SIZES = st.integers(1, 150)


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def layer(rows: int, k: int, n: int, transposed: bool, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((rows, k), (n, k), (n,)))
    return x, weight.T.contiguous() if transposed else weight, bias


@given(rows=SIZES, k=SIZES, n=SIZES, transposed=st.booleans(), biased=st.booleans(), seed=st.integers(0, 2**16))
def test_a_layer_is_within_the_roundings_of_its_sums(
    rows: int, k: int, n: int, transposed: bool, biased: bool, seed: int
) -> None:
    x, weight, bias = layer(rows, k, n, transposed, seed)
    matrix, bias = (weight if transposed else weight.T).double(), bias if biased else torch.zeros(n)
    y = float_linear(x, weight, bias if biased else None, transposed)
    allowed = (x.double().abs() @ matrix.abs() + bias.double().abs()) * (k + 2) * 2.0**-24
    assert bool(((y.double() - (x.double() @ matrix + bias.double())).abs() <= allowed).all())


@native_only
@settings(max_examples=60)
@given(rows=SIZES, k=SIZES, n=SIZES, transposed=st.booleans(), seed=st.integers(0, 2**16), threads=st.integers(1, 4))
def test_a_row_has_the_bits_that_it_has_alone(
    rows: int, k: int, n: int, transposed: bool, seed: int, threads: int
) -> None:
    x, weight, bias = layer(rows, k, n, transposed, seed)
    torch.set_num_threads(threads)
    together = float_linear(x, weight, bias, transposed)
    torch.set_num_threads(1)
    for row in {0, rows // 2, rows - 1}:
        assert torch.equal(float_linear(x[row], weight, bias, transposed), together[row])


@native_only
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("rows", "k", "n"), [(200, 768, 96), (70, 3072, 768), (1, 3072, 2)])
def test_the_number_of_threads_does_not_change_a_bit(rows: int, k: int, n: int, transposed: bool) -> None:
    x, weight, bias = layer(rows, k, n, transposed)
    torch.set_num_threads(1)
    one = float_linear(x, weight, bias, transposed)
    for threads in (2, 3):
        torch.set_num_threads(threads)
        assert torch.equal(float_linear(x, weight, bias, transposed), one)


@native_only
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::3],
        lambda x: x.repeat_interleave(2, dim=-1)[..., ::2],
        lambda x: x[:1].expand(7, -1),
        lambda x: x.view(5, 6, -1),
        lambda x: x.view(5, 6, -1)[:, 0],
    ],
    ids=["every_third_row", "every_other_element", "expanded", "three_dimensions", "first_tokens"],
)
def test_strides_and_dimensions_do_not_change_a_bit(view: object) -> None:
    x, weight, bias = layer(30, 20, 9, transposed=False)
    seen = view(x)  # type: ignore[operator]
    rows = torch.stack([float_linear(row, weight, bias) for row in seen.reshape(-1, 20).contiguous()])
    assert torch.equal(float_linear(seen, weight, bias), rows.view(*seen.shape[:-1], 9))


@pytest.mark.parametrize("transposed", [False, True])
def test_a_layer_has_the_gradients_of_torch(transposed: bool) -> None:
    x, weight, bias = (t.requires_grad_() for t in layer(6, 5, 4, transposed))
    upstream = torch.randn(2, 3, 4)
    found = torch.autograd.grad(float_linear(x.view(2, 3, 5), weight, bias, transposed), (x, weight, bias), upstream)
    y = F.linear(x.view(2, 3, 5), weight.T if transposed else weight, bias)
    for gradient, expected in zip(found, torch.autograd.grad(y, (x, weight, bias), upstream), strict=True):
        assert torch.allclose(gradient, expected, atol=1e-5)


@native_only
def test_gradients_that_nobody_asks_for_change_no_bit() -> None:
    x, weight, bias = layer(6, 50, 4, transposed=False)
    plain = float_linear(x, weight, bias)
    assert torch.equal(float_linear(x, weight.requires_grad_(), bias).detach(), plain)
    assert torch.equal(float_activation(x.requires_grad_(), "gelu").detach(), float_activation(x.detach(), "gelu"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_dtypes_are_torchs(dtype: torch.dtype) -> None:
    x, weight, bias = (t.to(dtype) for t in layer(6, 5, 4, transposed=False))
    assert torch.equal(float_linear(x, weight, bias), F.linear(x, weight, bias))


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (2, 0, 5)], ids=str)
def test_what_is_empty_gives_what_torch_gives(shape: tuple[int, ...]) -> None:
    x, weight, bias = torch.ones(shape), torch.ones(4, shape[-1]), torch.arange(4.0)
    assert torch.equal(float_linear(x, weight, bias), F.linear(x, weight, bias))


@native_only
@pytest.mark.parametrize("function", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_an_activation_is_the_same_wherever_the_element_stands(function: str, dtype: torch.dtype) -> None:
    x = torch.randn(40, 1001, generator=torch.Generator().manual_seed(0)).mul(4).to(dtype)
    torch.set_num_threads(3)
    y = float_activation(x, function)
    torch.set_num_threads(1)
    assert y.dtype == dtype
    assert torch.allclose(y.float(), ACTIVATIONS[function](x.float()), atol=2e-6, rtol=2**-8 if y.itemsize == 2 else 0)
    for part in (slice(0, 1), slice(3, 20), slice(990, 1001)):
        assert torch.equal(float_activation(x[7:9, part], function), y[7:9, part])


@pytest.mark.parametrize("function", sorted(ACTIVATIONS))
def test_an_activation_has_the_gradient_of_torch(function: str) -> None:
    x = torch.linspace(-3, 3, 50, requires_grad=True)
    (found,) = torch.autograd.grad(float_activation(x, function).sum(), x)
    (expected,) = torch.autograd.grad(ACTIVATIONS[function](x).sum(), x)
    assert torch.equal(found, expected)


def test_other_engines_activate_by_torch() -> None:
    x = torch.randn(50)
    with use_engine("reference"):
        assert torch.equal(float_activation(x, "silu"), F.silu(x))
