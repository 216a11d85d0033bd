"""Projections in bare parameters: what XLNet and Funnel apply with einsum."""

from typing import Any

import pytest
import torch
from torch import nn

from nc_trainer import QuantizationError
from nc_trainer.int8.nn import Int8Projection, Projection
from nc_trainer.int8.ops import dequantize_rows, int8_linear, quantize_rows

# A name, the equation, the shapes of input and weight.
CASES = [
    pytest.param("ibh,hnd->ibnd", (5, 2, 12), (12, 3, 4), id="xlnet-q"),
    pytest.param("ibnd,hnd->ibh", (5, 2, 3, 4), (12, 3, 4), id="xlnet-o"),
    pytest.param("td,dnh->tnh", (5, 12), (12, 3, 4), id="funnel-relative-shift"),
    pytest.param("binh,dnh->bind", (2, 5, 3, 4), (12, 3, 4), id="funnel-factorized"),
]


def int8_projection(weight: torch.Tensor, equation: str) -> Int8Projection:
    return Int8Projection.from_float(Projection(nn.Parameter(weight), equation)).eval()


@pytest.mark.parametrize(("equation", "x_shape", "weight_shape"), CASES)
def test_einsum_is_answered_close_to_float(equation: str, x_shape: tuple[int, ...], weight_shape: Any) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(x_shape), torch.randn(weight_shape)
    expected = torch.einsum(equation, x, weight)
    found: torch.Tensor = torch.einsum(equation, x, int8_projection(weight, equation))
    assert found.shape == expected.shape
    assert float((found - expected).square().mean()) < 1e-3 * float(expected.square().mean())


def test_each_output_has_its_scale_and_each_token_its_own() -> None:
    x, weight = torch.randn(5, 2, 12), torch.randn(12, 3, 4)
    module = int8_projection(weight, "ibh,hnd->ibnd")
    codes, scale = quantize_rows(weight.reshape(12, 12).t())
    assert torch.equal(module(x), int8_linear(x, codes, scale).reshape(5, 2, 3, 4))


def test_each_head_of_a_grouped_weight_is_a_linear_layer_of_its_own() -> None:
    x, weight = torch.randn(2, 5, 3, 4), torch.randn(12, 3, 4)
    y = int8_projection(weight, "binh,dnh->bind")(x)
    for head in range(3):
        assert torch.equal(y[:, :, head], int8_linear(x[:, :, head], *quantize_rows(weight[:, head])))


def test_codes_stand_for_the_weight() -> None:
    weight = torch.randn(12, 3, 4)
    module = int8_projection(weight, "ibnd,hnd->ibh")
    assert list(module.state_dict()) == ["qweight", "scale"]
    torch.testing.assert_close(
        dequantize_rows(module.qweight, module.scale), weight.reshape(12, 12), atol=0.02, rtol=0.0
    )


def test_the_letters_of_an_equation_do_not_matter() -> None:
    x, module = torch.randn(5, 2, 12), int8_projection(torch.randn(12, 3, 4), "ibh,hnd->ibnd")
    assert torch.equal(torch.einsum("abc, cde -> abde", x, module), module(x))


@pytest.mark.parametrize(
    ("operation", "called"),
    [
        (lambda x, weight: x @ weight, "matmul"),
        (lambda x, weight: torch.tensordot(x, weight, dims=1), "tensordot"),
        (lambda x, weight: torch.einsum("ibnd,hnd->ibh", x, weight), "einsum `ibnd,hnd->ibh`"),
        (lambda x, weight: torch.einsum("hnd,ibh->ibnd", weight, x), "einsum `hnd,ibh->ibnd`"),
    ],
    ids=["matmul", "tensordot", "another-equation", "the-other-way-round"],
)
def test_any_other_operation_is_refused(operation: Any, called: str) -> None:
    module = int8_projection(torch.randn(12, 3, 4), "ibh,hnd->ibnd")
    with pytest.raises(QuantizationError, match="An int8 projection computes only") as raised:
        operation(torch.randn(5, 2, 12), module)
    assert f"the model asked for {called}" in str(raised.value)


@pytest.mark.parametrize("equation", ["ij,jk", "ibh,hnd->bind", "ab,cd->abcd", "ii,ij->j", "abc,bca->abc"])
def test_an_einsum_that_is_no_linear_layer_cannot_be_int8(equation: str) -> None:
    with pytest.raises(QuantizationError, match="not a linear layer"):
        Int8Projection(torch.Size([2, 2, 2]), equation)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_stays(dtype: torch.dtype) -> None:
    module = int8_projection(torch.randn(12, 3, 4).to(dtype), "ibh,hnd->ibnd")
    assert module.scale.dtype == torch.float32
    assert module(torch.ones(5, 2, 12, dtype=dtype)).dtype == dtype
