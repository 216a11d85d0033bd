import logging
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer import QuantizationError
from nc_trainer.int8.ops import current_engine, int8_linear, use_engine
from nc_trainer.int8.ops.activations import ACTIVATIONS
from nc_trainer.int8.ops.engines import ENGINES, VARIABLE, Engine, native, onednn, reference

AVAILABLE = [name for name, engine in ENGINES.items() if engine.unavailable_reason() is None]


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    reason = ENGINES[request.param].unavailable_reason()
    if reason:
        pytest.skip(f"{request.param}: {reason}")
    with use_engine(request.param) as chosen:
        yield chosen


def codes(shape: tuple[int, int], seed: int, low: int = -128) -> torch.Tensor:
    return torch.randint(low, 128, shape, dtype=torch.int8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(5, 7, 3), (4, 64, 8), (33, 1025, 17), (2, 3000, 5), (1, 1, 1)], ids=str)
def test_accumulator_is_exact(engine: Engine, shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    x, weight = codes((m, k), 0), codes((n, k), 1)
    assert torch.equal(engine.accumulate(x, weight), (x.long() @ weight.long().t()).to(torch.int32))


@pytest.mark.parametrize("k", [64, 2048, 4096])
@pytest.mark.parametrize(("left", "right"), [(127, 127), (-128, 127), (-128, -128)], ids=["++", "-+", "--"])
def test_nothing_saturates(engine: Engine, k: int, left: int, right: int) -> None:
    x = torch.full((3, k), left, dtype=torch.int8)
    weight = torch.full((2, k), right, dtype=torch.int8)
    assert torch.equal(engine.accumulate(x, weight), torch.full((3, 2), left * right * k, dtype=torch.int32))


@given(
    shape=st.tuples(st.integers(0, 40), st.integers(0, 70), st.integers(0, 40)),
    seed=st.integers(0, 2**16),
    bias=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_all_engines_return_the_same_bits(
    shape: tuple[int, int, int], seed: int, bias: bool, dtype: torch.dtype
) -> None:
    m, k, n = shape
    generator = torch.Generator().manual_seed(seed)
    x = (torch.randn(m, k, generator=generator) * 3).to(dtype)
    scale, offset = torch.rand(n, generator=generator), torch.randn(n, generator=generator)
    weight = codes((n, k), seed, low=-127)
    results = [ENGINES[name].int8_linears(x, [weight], [scale], [offset if bias else None])[0] for name in AVAILABLE]
    assert {result.dtype for result in results} == {dtype}
    assert all(torch.equal(result, results[0]) for result in results)


def test_a_row_that_is_not_finite_becomes_nan_and_spoils_no_other(engine: Engine) -> None:
    x = torch.ones(3, 8)
    x[1, 4] = float("inf")
    y = engine.int8_linears(x, [codes((4, 8), 0)], [torch.ones(4)], [None])[0]
    assert bool(y[1].isnan().all())
    assert bool(y[[0, 2]].isfinite().all())


def test_a_zero_row_gives_the_bias(engine: Engine) -> None:
    bias = torch.tensor([1.0, -2.0])
    y = engine.int8_linears(torch.zeros(2, 8), [codes((2, 8), 0)], [torch.ones(2)], [bias])[0]
    assert torch.equal(y, bias.expand(2, 2))


def test_weights_may_have_any_strides(engine: Engine) -> None:
    x, weight, scale = torch.randn(5, 32), codes((48, 32), 0), torch.rand(48)
    transposed = weight.t().contiguous().t()
    expected = engine.int8_linears(x, [weight], [scale], [None])[0]
    assert torch.equal(engine.int8_linears(x, [transposed], [scale], [None])[0], expected)


def test_several_weights_share_one_input(engine: Engine) -> None:
    x, weights = torch.randn(2, 3, 16), [codes((n, 16), n) for n in (4, 40, 1)]
    scales, biases = [torch.rand(len(w)) for w in weights], [torch.randn(4), None, torch.randn(1)]
    together = engine.int8_linears(x, weights, scales, biases, "relu")
    for y, weight, scale, bias in zip(together, weights, scales, biases, strict=True):
        assert torch.equal(y, engine.int8_linears(x, [weight], [scale], [bias], "relu")[0])


def test_onednn_is_exact_on_its_saturating_and_on_its_direct_path(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = codes((6, 96), 0) // 8, codes((5, 96), 1) // 8  # too small to saturate on either path
    expected = reference.accumulate(x, weight)
    for saturates in (True, False):
        monkeypatch.setattr(onednn, "saturates", lambda answer=saturates: answer)
        assert torch.equal(onednn.accumulate(x, weight), expected)


def test_the_environment_variable_forces_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "reference")
    assert current_engine() is ENGINES["reference"]


def test_an_unknown_engine_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "turbo")
    with pytest.raises(QuantizationError, match=r"Unknown int8 engine `turbo`.*native, onednn, reference"):
        current_engine()


def test_without_a_fast_engine_the_reference_is_used_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import nc_trainer.int8.ops.engines as engines

    engines._fastest.cache_clear()
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(onednn, "saturates", lambda: True)
    monkeypatch.setattr(native, "unavailable_reason", lambda: "no compiler")
    with caplog.at_level(logging.WARNING):
        assert current_engine().NAME == "reference"
    assert "no compiler" in caplog.text
    engines._fastest.cache_clear()


@pytest.mark.parametrize("shape", [(2, 3, 8), (8,), (0, 8), (2, 0, 8)], ids=str)
def test_the_operator_keeps_leading_dimensions(shape: tuple[int, ...]) -> None:
    y = int8_linear(torch.ones(shape), codes((4, 8), 0), torch.ones(4), None)
    assert y.shape == (*shape[:-1], 4)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_the_activation_comes_last(activation: str, engine: Engine) -> None:
    functions: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "none": torch.clone,
        "gelu": torch.nn.GELU(),
        "gelu_tanh": torch.nn.GELU(approximate="tanh"),
        "quick_gelu": lambda y: y * torch.sigmoid(1.702 * y),
        "relu": torch.relu,
        "silu": torch.nn.SiLU(),
        "tanh": torch.tanh,
    }
    x, weight, scale = torch.randn(3, 8), codes((40, 8), 0), torch.full((40,), 0.01)
    plain = int8_linear(x, weight, scale, None)
    expected = functions[activation](plain)
    torch.testing.assert_close(int8_linear(x, weight, scale, None, activation), expected, rtol=2e-6, atol=2e-6)


def test_the_operator_has_a_fake_implementation() -> None:
    weights, scales = [codes((4, 8), 0), codes((5, 8), 0)], [torch.ones(4), torch.ones(5)]
    arguments = (torch.randn(2, 3, 8), weights, scales, [torch.zeros(4), None], "gelu")
    operator = torch.ops.nc_trainer.int8_linears.default
    torch.library.opcheck(operator, arguments, test_utils=("test_schema", "test_faketensor"))


def test_compiled_and_eager_return_the_same_bits() -> None:
    weight, scale = codes((4, 8), 0), torch.full((4,), 0.01)

    def double(x: torch.Tensor) -> torch.Tensor:
        return int8_linear(x, weight, scale) * 2

    x = torch.randn(3, 8)
    assert torch.equal(torch.compile(double, fullgraph=True, backend="aot_eager")(x), double(x))


@pytest.mark.parametrize(
    ("features", "activation", "message"),
    [(7, "none", "x has 7 features, qweight expects 8"), (8, "softplus", "`softplus` is not one of")],
    ids=["shape", "activation"],
)
def test_the_operator_refuses_what_does_not_fit(features: int, activation: str, message: str) -> None:
    with pytest.raises(QuantizationError, match=message):
        int8_linear(torch.ones(2, features), codes((4, 8), 0), torch.ones(4), None, activation)
