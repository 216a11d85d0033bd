import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nc_trainer.int8.ops import dequantize_rows, quantize_rows

numbers = st.floats(-1e4, 1e4, width=32)
matrices = (
    st.integers(1, 8)
    .flatmap(lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1, max_size=6))
    .map(lambda rows: torch.tensor(rows, dtype=torch.float32))
)


@given(matrices)
def test_error_is_at_most_half_a_step(x: Tensor) -> None:
    codes, scales = quantize_rows(x)
    error = (dequantize_rows(codes, scales) - x).abs()
    assert bool((error <= scales.unsqueeze(1) * 0.5 * (1 + 1e-4) + 1e-30).all())


@given(matrices)
def test_the_largest_value_of_a_row_takes_the_largest_code(x: Tensor) -> None:
    codes, scales = quantize_rows(x)
    peaks = codes.abs().amax(dim=1)
    assert bool(((peaks == 127) | (scales == 0)).all())


@given(matrices)
def test_negation_negates_the_codes(x: Tensor) -> None:
    codes, scales = quantize_rows(x)
    negated, same_scales = quantize_rows(-x)
    assert torch.equal(negated, -codes)
    assert torch.equal(same_scales, scales)


@pytest.mark.parametrize("power", [-20, -1, 1, 20], ids=lambda power: f"2**{power}")
def test_a_power_of_two_changes_only_the_scale(power: int) -> None:
    x = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    codes, scales = quantize_rows(x)
    scaled_codes, scaled = quantize_rows(x * 2.0**power)
    assert torch.equal(scaled_codes, codes)
    assert torch.equal(scaled, scales * 2.0**power)


def test_exact_codes_and_scale() -> None:
    codes, scales = quantize_rows(torch.tensor([[127.0, 0.5, 1.5, -127.0, -2.5]]))
    assert codes.tolist() == [[127, 0, 2, -127, -2]]  # ties go to the even code
    assert scales.tolist() == [1.0]


@pytest.mark.parametrize(
    ("row", "scale"),
    [([0.0, 0.0], 0.0), ([1e-31, 0.0], 0.0), ([1e-45, -1e-45], 0.0)],
    ids=["zeros", "tiny", "denormals"],
)
def test_rows_without_magnitude_have_scale_zero(row: list[float], scale: float) -> None:
    codes, scales = quantize_rows(torch.tensor([row]))
    assert codes.tolist() == [[0, 0]]
    assert scales.tolist() == [scale]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")], ids=["nan", "inf", "-inf"])
def test_a_row_that_is_not_finite_has_scale_nan_and_spoils_no_other(bad: float) -> None:
    codes, scales = quantize_rows(torch.tensor([[bad, 1.0], [2.0, 1.0]]))
    assert codes[0].tolist() == [0, 0]
    assert bool(scales[0].isnan())
    assert codes[1].tolist() == [127, 64]


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)], ids=str)
def test_empty_matrices(shape: tuple[int, int]) -> None:
    codes, scales = quantize_rows(torch.zeros(shape))
    assert codes.shape == shape
    assert scales.tolist() == [0.0] * shape[0]
