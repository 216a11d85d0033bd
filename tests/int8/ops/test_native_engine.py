"""The C++ engine returns the bits that the definition of int8_linear, written here in plain torch, returns."""

from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nc_trainer.int8.ops.activations import ACTIVATIONS
from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.ops.engines.native_compile import find_compiler

FLOAT_TYPES = (torch.float32, torch.bfloat16)
SIZES = st.integers(0, 70)
NAMES = sorted(ACTIVATIONS.keys() - {"none"})
ROWS = {
    "normal": lambda row: row,
    "zeros": torch.zeros_like,
    "denormal": lambda row: row * 1e-41,
    "just_usable": lambda row: row.clamp(-1, 1) * 1e-30,
    "huge": lambda row: row.clamp(-1, 1) * 3e38,
    "nan_first": lambda row: row.index_fill(0, torch.tensor([0]), torch.nan),
    "nan_last": lambda row: row.index_fill(0, torch.tensor([len(row) - 1]), torch.nan),
    "negative_nan": lambda row: row.index_fill(0, torch.tensor([0]), -torch.nan),
    "infinite": lambda row: row.index_fill(0, torch.tensor([len(row) - 1]), -torch.inf),
    "ties": lambda row: torch.cat([torch.tensor([127.0]), row[1:].mul(20).floor() + 0.5]),
}


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    missing = native.hardware_reason() or (find_compiler() is None and "there is no C++ compiler here")
    if missing:
        pytest.skip(missing)
    assert native.unavailable_reason() is None


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def expected_linear(x: Tensor, qweight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    rows = x.float()
    absmax = rows.abs().amax(dim=1) if x.shape[1] else torch.zeros(x.shape[0])
    usable = absmax.isfinite() & (absmax >= torch.tensor(1e-30))
    # A tensor on both sides: torch computes `127 / absmax` as a reciprocal and a product, which rounds twice.
    inverse = torch.where(usable, torch.full_like(absmax, 127) / absmax, 0.0)
    codes = (rows * inverse[:, None]).nan_to_num(nan=0.0).round().long()
    row_scale = torch.where(usable, absmax / torch.full_like(absmax, 127), torch.zeros_like(absmax))
    row_scale[~absmax.isfinite()] = torch.nan
    y = (codes @ qweight.long().T).float() * scale * row_scale[:, None]
    return (y if bias is None else y + bias).to(x.dtype)


def linear(x: Tensor, qweight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    return native.int8_linears(x, [qweight], [scale], [bias])[0]


def bits(y: Tensor) -> Tensor:
    """The bits of a float tensor, with one pattern for every NaN."""
    unified = torch.where(y.isnan(), torch.full_like(y, torch.nan), y)
    return unified.view(torch.int32 if y.dtype == torch.float32 else torch.int16)


def assert_same_bits(actual: Tensor, expected: Tensor) -> None:
    assert actual.dtype == expected.dtype
    assert torch.equal(bits(actual), bits(expected))


def random_case(m: int, k: int, n: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(m, k, generator=generator) * torch.randn(m, 1, generator=generator).exp()
    return x, random_int8(n, k, seed + 1), torch.rand(n, generator=generator), torch.randn(n, generator=generator)


def random_int8(rows: int, columns: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-128, 128, (rows, columns), dtype=torch.int8, generator=generator)


@settings(max_examples=150, deadline=None)
@given(m=SIZES, k=SIZES, n=SIZES, dtype=st.sampled_from(FLOAT_TYPES), with_bias=st.booleans(), seed=st.integers(0, 9))
def test_any_shape_has_the_bits_of_the_definition(
    m: int, k: int, n: int, dtype: torch.dtype, with_bias: bool, seed: int
) -> None:
    x, qweight, scale, bias = random_case(m, k, n, seed)
    arguments = (x.to(dtype), qweight, scale, bias if with_bias else None)
    assert_same_bits(linear(*arguments), expected_linear(*arguments))


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(sorted(ROWS)), min_size=1, max_size=20),
    k=st.integers(1, 70),
    dtype=st.sampled_from(FLOAT_TYPES),
)
def test_special_rows_have_the_bits_of_the_definition(kinds: list[str], k: int, dtype: torch.dtype) -> None:
    x, qweight, scale, bias = random_case(len(kinds), k, 5)
    x = torch.stack([ROWS[kind](row) for kind, row in zip(kinds, x, strict=True)]).to(dtype)
    for b in (bias, None):
        assert_same_bits(linear(x, qweight, scale, b), expected_linear(x, qweight, scale, b))


@pytest.mark.parametrize("position", range(17))
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf], ids=["nan", "inf", "-inf"])
def test_a_row_that_is_not_finite_gives_nan_and_leaves_the_others(bad: float, position: int) -> None:
    x, qweight, scale, bias = random_case(3, 17, 20)
    x[1, position] = bad
    y = linear(x, qweight, scale, bias)
    assert y[1].isnan().all()
    assert torch.equal(y[[0, 2]], expected_linear(x[[0, 2]], qweight, scale, bias))


def test_a_row_of_zeros_gives_the_bias() -> None:
    _, qweight, scale, bias = random_case(1, 40, 20)
    assert torch.equal(linear(torch.zeros(2, 40), qweight, scale, bias), bias.expand(2, -1))


def test_no_bias_keeps_negative_zero() -> None:
    y = linear(torch.zeros(9, 4), torch.ones(3, 4, dtype=torch.int8), -torch.ones(3), None)
    assert torch.equal(bits(y), bits(torch.full((9, 3), -0.0)))


@settings(max_examples=60, deadline=None)
@given(m=SIZES, k=SIZES, n=SIZES, seed=st.integers(0, 9))
def test_accumulators_are_exact_for_every_int8(m: int, k: int, n: int, seed: int) -> None:
    codes, qweight = random_int8(m, k, seed), random_int8(n, k, seed + 100)
    actual = native.accumulate(codes, qweight)
    assert actual.dtype == torch.int32
    assert torch.equal(actual.long(), codes.long() @ qweight.long().T)


@pytest.mark.parametrize("rows", [1, 13, 50], ids=["few_rows", "one_panel", "many_rows"])
@pytest.mark.parametrize(("code", "weight"), [(127, 127), (-127, 127), (127, -128), (-128, -128)])
@pytest.mark.parametrize("k", [2, 100_001])
def test_the_largest_products_do_not_saturate(rows: int, code: int, weight: int, k: int) -> None:
    codes = torch.full((rows, k), code, dtype=torch.int8)
    qweight = torch.full((5, k), weight, dtype=torch.int8)
    assert native.accumulate(codes, qweight).unique().tolist() == [code * weight * k]


def test_rows_beyond_one_chunk_of_codes_are_all_computed(restored_threads: None) -> None:
    torch.set_num_threads(1)
    case = random_case(300, 4099, 33)
    assert_same_bits(linear(*case), expected_linear(*case))


def test_the_activations_are_those_of_python() -> None:
    assert native.activations() == list(ACTIVATIONS)


@pytest.mark.parametrize("shape", [(1, 768, 400), (7, 768, 400), (50, 768, 400)], ids=["1", "7", "50"])
def test_the_number_of_threads_does_not_change_a_bit(shape: tuple[int, int, int], restored_threads: None) -> None:
    case = random_case(*shape)
    expected = expected_linear(*case)
    for threads in (1, 2, 3, 5, 8):
        torch.set_num_threads(threads)
        assert_same_bits(linear(*case), expected)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.T.contiguous().T,
        lambda x: torch.cat([x, x], dim=1)[:, : x.shape[1]],
        lambda x: x.repeat_interleave(2, dim=1)[:, ::2],
        lambda x: x[:1].expand(len(x), -1),
        lambda x: x.flip(0)[1::2],
    ],
    ids=["transposed", "strided_rows", "strided_columns", "expanded", "every_other_row"],
)
@pytest.mark.parametrize("dtype", FLOAT_TYPES, ids=["fp32", "bf16"])
def test_input_in_any_strides(view: Callable[[Tensor], Tensor], dtype: torch.dtype) -> None:
    x, qweight, scale, bias = random_case(14, 37, 19)
    x = view(x.to(dtype))
    assert_same_bits(linear(x, qweight, scale, bias), expected_linear(x.contiguous(), qweight, scale, bias))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.ones(2, 3, dtype=torch.float64)}, "fp32 or bf16"),
        ({"x": torch.ones(2, 4)}, "4 columns but qweight has 3"),
        ({"x": torch.tensor(1.0)}, r"shape \[..., K\]"),
        ({"qweight": torch.ones(5, 3)}, "must be an int8"),
        ({"scale": torch.ones(4)}, r"scale must be .* \[5\]"),
        ({"bias": torch.ones(5, dtype=torch.float64)}, "bias must be an fp32"),
        ({"x": torch.ones(1, 1 << 17), "qweight": torch.ones(5, 1 << 17, dtype=torch.int8)}, "at most 131071"),
    ],
    ids=["dtype", "columns", "dimensions", "weight", "scale", "bias", "depth"],
)
def test_bad_arguments_are_refused(change: dict[str, Tensor], message: str) -> None:
    good = {
        "x": torch.ones(2, 3),
        "qweight": torch.ones(5, 3, dtype=torch.int8),
        "scale": torch.ones(5),
        "bias": torch.ones(5),
    }
    arguments = {**good, **change}
    with pytest.raises(RuntimeError, match=message):
        linear(arguments["x"], arguments["qweight"], arguments["scale"], arguments["bias"])


@pytest.mark.parametrize("activation", NAMES)
@pytest.mark.parametrize("dtype", FLOAT_TYPES, ids=["fp32", "bf16"])
def test_an_activation_is_within_2e_6_of_the_true_value(activation: str, dtype: torch.dtype) -> None:
    values = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([0.0, -0.0, 1e-30, 50.0, -50.0, 1e30, -1e30])])
    weight = torch.zeros(len(values), 4, dtype=torch.int8)
    zeros, scale = torch.zeros(20, 4, dtype=dtype), torch.ones(len(values))
    found = native.int8_linears(zeros, [weight], [scale], [values], activation)[0]
    expected = ACTIVATIONS[activation](values.double())
    allowed = 2e-6 * expected.abs().clamp(min=1) + (expected.abs() / 256 if dtype == torch.bfloat16 else 0)
    assert bool(((found - expected).abs() <= allowed).all())


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_gelu_in_bf16_is_the_true_value_rounded(activation: str) -> None:
    every_bf16 = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.bfloat16).float()
    values = torch.cat([every_bf16[every_bf16.isfinite()], torch.linspace(-7, 7, 100_003)])
    found = applied(activation, values).double()
    expected = ACTIVATIONS[activation](values.double()).where(values > -100, 0.0)
    last_place = 2.0 ** (expected.abs().clamp(min=1e-30).log2().floor() - 7)
    assert bool(((found - expected).abs() <= (1 / 2 + 1 / 11) * last_place + 2e-8).all())
    assert found[values <= -6].count_nonzero() == 0


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_gelu_in_bf16_of_what_is_not_finite(activation: str) -> None:
    assert applied(activation, torch.tensor([torch.inf, -torch.inf])).tolist() == [torch.inf, 0.0]
    assert bool(applied(activation, torch.tensor([torch.nan, -torch.nan])).isnan().all())


def applied(activation: str, values: Tensor) -> Tensor:
    """The activation of fp32 values, which are a layer's biases, in bf16."""
    weight, zeros = torch.zeros(len(values), 4, dtype=torch.int8), torch.zeros(1, 4, dtype=torch.bfloat16)
    return native.int8_linears(zeros, [weight], [torch.ones(len(values))], [values], activation)[0][0]


@pytest.mark.parametrize("activation", NAMES)
def test_an_activation_of_nan_is_nan(activation: str) -> None:
    weight = torch.ones(3, 4, dtype=torch.int8)
    y = native.int8_linears(torch.full((2, 4), torch.nan), [weight], [torch.ones(3)], [None], activation)[0]
    assert bool(y.isnan().all())


@settings(max_examples=60, deadline=None)
@given(data=st.data(), m=SIZES, k=SIZES, n=SIZES, dtype=st.sampled_from(FLOAT_TYPES))
def test_only_the_chosen_rows_are_computed(data: st.DataObject, m: int, k: int, n: int, dtype: torch.dtype) -> None:
    x, qweight, scale, bias = random_case(m, k, n)
    chosen = torch.tensor(data.draw(st.lists(st.integers(0, m - 1), unique=True)) if m else [], dtype=torch.long)
    y = native.int8_linears(x.to(dtype), [qweight], [scale], [bias], rows=chosen)[0]
    expected = torch.zeros_like(y)
    expected[chosen] = expected_linear(x.to(dtype), qweight, scale, bias)[chosen]
    assert_same_bits(y, expected)


def test_a_chosen_row_that_is_not_there_is_refused() -> None:
    x, qweight, scale, bias = random_case(3, 4, 5)
    for rows in ([3], [-1]):
        with pytest.raises(RuntimeError, match="but x has 3 rows"):
            native.int8_linears(x, [qweight], [scale], [bias], rows=torch.tensor(rows))
