"""The attention operator: every path computes softmax attention; errors are stated from what is rounded."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nc_trainer import QuantizationError
from nc_trainer.int8.ops.attention import attention, native_instruction_set, runs_natively

Masks = Callable[[int, int, int, int, torch.Generator], Tensor | None]
HALF_ULP = 2.0**-8  # of bf16, as a relative error


def causal(b: int, h: int, q: int, k: int, generator: torch.Generator) -> Tensor:
    return torch.ones(q, k, dtype=torch.bool).tril()


def padding(b: int, h: int, q: int, k: int, generator: torch.Generator) -> Tensor:
    lengths = torch.randint(1, k + 1, (b, 1, 1, 1), generator=generator)
    return (torch.arange(k) < lengths).expand(b, 1, q, k)


def left_padding(b: int, h: int, q: int, k: int, generator: torch.Generator) -> Tensor:
    return padding(b, h, q, k, generator).flip(-1)


def holes(b: int, h: int, q: int, k: int, generator: torch.Generator) -> Tensor:
    return torch.rand(b, h, q, k, generator=generator) > 0.5


def bias(b: int, h: int, q: int, k: int, generator: torch.Generator) -> Tensor:
    return torch.randn(1, h, q, k, generator=generator)


def additive(masks: Callable[..., Tensor], dtype: torch.dtype, hidden: float) -> Masks:
    def make(b: int, h: int, q: int, k: int, generator: torch.Generator) -> Tensor:
        seen = masks(b, h, q, k, generator)
        return torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, hidden)

    return make


LOWEST = torch.finfo(torch.bfloat16).min
MASKS: dict[str, Masks] = {
    "none": lambda *_: None,
    "causal": causal,
    "padding": padding,
    "left_padding": left_padding,
    "holes": holes,
    "bias": bias,
    "bf16_bias": lambda *a: bias(*a).bfloat16(),
    "infinite_holes": additive(holes, torch.float32, -torch.inf),
    "lowest_padding": additive(padding, torch.float32, torch.finfo(torch.float32).min),
    "lowest_bf16_causal": additive(causal, torch.bfloat16, LOWEST),
    "lowest_bf16_holes": additive(holes, torch.bfloat16, LOWEST),
    "one_column": lambda b, h, q, k, g: torch.zeros(q, 1),
}
native_only = pytest.mark.skipif(native_instruction_set() is None, reason="no bf16 attention kernels here")
native_dtypes = pytest.mark.parametrize(
    "dtype", [pytest.param(torch.bfloat16, marks=native_only), torch.float32], ids=["bf16", "fp32"]
)
engine_only = pytest.mark.skipif(not runs_natively(), reason="no native engine here")


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def random_rows(shape: tuple[int, int, int, int], seed: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """[B, H, T, d] as transformers makes it: a view of [B, T, H, d]."""
    b, h, t, d = shape
    return torch.randn(b, t, h, d, generator=torch.Generator().manual_seed(seed)).to(dtype).transpose(1, 2)


def expected(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """The definition in fp64, and the same with every value replaced by its magnitude."""
    q, k, v = query.double(), key.double(), value.double()
    scores = scale * q @ k.transpose(-1, -2)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    elif mask is not None:
        scores = (scores.float() + mask.float()).double()  # a huge negative number takes the score in
    p = scores.softmax(-1).nan_to_num(0.0)
    return p @ v, p @ v.abs()


def assert_close(actual: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> None:
    """Probabilities and result are rounded once each; the scores, in fp32, are off by d + 2 roundings."""
    exact, magnitude = expected(query, key, value, mask, scale)
    scores = scale * query.double().abs() @ key.double().abs().transpose(-1, -2)
    score_error = scores.amax(-1, keepdim=True) * (query.shape[-1] + 2) * 2.0**-24
    half_ulp = HALF_ULP if actual.dtype != torch.float32 else key.shape[2] * 2.0**-24
    bound = magnitude * (half_ulp + 2 * score_error + 1e-5) + exact.abs() * half_ulp + 1e-30
    assert bool(((actual.double() - exact).abs() <= bound).all())


@native_dtypes
@settings(max_examples=100)
@given(
    b=st.integers(1, 3),
    h=st.integers(1, 3),
    q=st.integers(1, 70),
    k=st.integers(1, 70),
    d=st.sampled_from([1, 7, 8, 32, 64, 80, 128]),
    mask=st.sampled_from(sorted(MASKS)),
    seed=st.integers(0, 2**16),
)
def test_any_shape_and_mask_is_softmax_attention(
    dtype: torch.dtype, b: int, h: int, q: int, k: int, d: int, mask: str, seed: int
) -> None:
    query = random_rows((b, h, q, d), seed, dtype)
    key, value = (random_rows((b, h, k, d), seed + i, dtype) for i in (1, 2))
    m = MASKS[mask](b, h, q, k, torch.Generator().manual_seed(seed))
    assert_close(attention(query, key, value, m, d**-0.5), query, key, value, m, d**-0.5)


@native_dtypes
@pytest.mark.parametrize("mask", sorted(MASKS))
@pytest.mark.parametrize("keys", [512, 513, 1100], ids=str)
def test_more_keys_than_one_block(keys: int, mask: str, dtype: torch.dtype) -> None:
    query, key, value = (random_rows((1, 2, n, 32), n + i, dtype) for i, n in enumerate((40, keys, keys)))
    m = MASKS[mask](1, 2, 40, keys, torch.Generator().manual_seed(0))
    assert_close(attention(query, key, value, m, 0.3), query, key, value, m, 0.3)


@engine_only
@native_dtypes
@pytest.mark.parametrize("tokens", [1, 5, 33, 130, 1030], ids=str)
def test_the_causal_flag_has_the_bits_of_the_causal_mask(tokens: int, dtype: torch.dtype) -> None:
    query, key, value = (random_rows((2, 2, tokens, 64), i, dtype) for i in range(3))
    mask = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    by_flag, by_mask = attention(query, key, value, None, 0.3, True), attention(query, key, value, mask, 0.3)
    assert torch.equal(by_flag, by_mask)
    assert_close(by_flag, query, key, value, mask, 0.3)


@engine_only
@native_dtypes
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("tokens", "padded"), [(1, 7), (9, 16), (33, 70), (300, 700), (600, 1300)])
def test_padding_and_other_rows_do_not_change_a_bit(
    tokens: int, padded: int, side: str, causal: bool, dtype: torch.dtype, restored_threads: None
) -> None:
    query, key, value = (random_rows((3, 2, padded, 32), i, dtype) for i in range(3))
    mask = torch.zeros(3, 1, 1, padded, dtype=torch.bool)
    real = slice(0, tokens) if side == "right" else slice(padded - tokens, padded)
    mask[1, ..., real], mask[::2] = True, True
    if causal:
        mask = mask & torch.ones(padded, padded, dtype=torch.bool).tril()
    torch.set_num_threads(3)
    together = attention(query, key, value, mask, 0.3)[1:2, :, real]
    torch.set_num_threads(1)
    assert torch.equal(attention(*(t[1:2, :, real] for t in (query, key, value)), None, 0.3, causal), together)


@native_dtypes
def test_large_scores_do_not_overflow(dtype: torch.dtype) -> None:
    query, key, value = (random_rows((1, 1, 20, 64), i, dtype) for i in range(3))
    query = query * 1e4
    assert_close(attention(query, key, value, None, 1.0), query, key, value, None, 1.0)


@native_dtypes
@pytest.mark.parametrize("seen", [0, 1, 3], ids=["none", "one", "some"])
@pytest.mark.parametrize("of_mask", [torch.bool, torch.float32, torch.bfloat16], ids=str)
def test_a_query_that_sees_no_key_gives_zeros(seen: int, of_mask: torch.dtype, dtype: torch.dtype) -> None:
    query, key, value = (random_rows((1, 2, 4, 8), i, dtype) for i in range(3))
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    mask[..., seen:, :] = False
    if of_mask != torch.bool:
        mask = torch.zeros(mask.shape, dtype=of_mask).masked_fill(~mask, -torch.inf)
    y = attention(query, key, value, mask, 0.5)
    assert torch.equal(y[:, :, seen:], torch.zeros(1, 2, 4 - seen, 8, dtype=dtype))
    assert bool((y[:, :, :seen] != 0).all())


@native_dtypes
@pytest.mark.parametrize("of_mask", [torch.float32, torch.bfloat16], ids=str)
def test_a_query_hidden_by_the_lowest_number_sees_all_keys_alike(of_mask: torch.dtype, dtype: torch.dtype) -> None:
    query, key, value = (random_rows((1, 2, 4, 8), i, dtype) for i in range(3))
    mask = torch.zeros(1, 1, 4, 4, dtype=of_mask)
    mask[:, :, 1] = torch.finfo(of_mask).min
    mask[..., 3] = torch.finfo(of_mask).min
    y = attention(query, key, value, mask, 0.5)[:, :, 1]
    assert torch.allclose(y.float(), value.float().mean(2), atol=0.02)


@engine_only
@native_dtypes
def test_hidden_keys_may_hold_anything(dtype: torch.dtype) -> None:
    query, key, value = (random_rows((1, 2, 9, 16), i, dtype) for i in range(3))
    expected_bits = attention(query, key[:, :, 2:7], value[:, :, 2:7], None, 0.25)
    mask = torch.zeros(1, 1, 1, 9, dtype=torch.bool)
    mask[..., 2:7] = True
    for t in (key, value):
        t[:, :, :2], t[:, :, 7:] = torch.nan, torch.inf
    assert torch.equal(attention(query, key, value, mask, 0.25), expected_bits)


@engine_only
@native_dtypes
@pytest.mark.parametrize("bad", [torch.nan, torch.inf], ids=["nan", "inf"])
def test_a_query_that_is_not_finite_gives_nan_and_spoils_no_other(bad: float, dtype: torch.dtype) -> None:
    query, key, value = (random_rows((1, 1, 5, 16), i, dtype) for i in range(3))
    clean = attention(query, key, value, None, 0.25)
    query[0, 0, 3, 2] = bad
    y = attention(query, key, value, None, 0.25)
    assert bool(y[0, 0, 3].isnan().all())
    assert torch.equal(y[:, :, [0, 1, 2, 4]], clean[:, :, [0, 1, 2, 4]])


@engine_only
@native_dtypes
@pytest.mark.parametrize("shape", [(1, 1, 200, 64), (2, 3, 130, 32), (8, 4, 33, 64)], ids=str)
@pytest.mark.parametrize("mask", ["none", "padding", "holes"])
def test_the_number_of_threads_does_not_change_a_bit(
    shape: tuple[int, int, int, int], mask: str, dtype: torch.dtype, restored_threads: None
) -> None:
    b, h, t, _ = shape
    query, key, value = (random_rows(shape, i, dtype) for i in range(3))
    m = MASKS[mask](b, h, t, t, torch.Generator().manual_seed(0))
    torch.set_num_threads(1)
    one = attention(query, key, value, m, 0.125)
    for threads in (2, 3, 5, 8):
        torch.set_num_threads(threads)
        assert torch.equal(attention(query, key, value, m, 0.125), one)


@engine_only
@native_dtypes
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.contiguous(),
        lambda x: torch.cat([x, x], dim=-1)[..., : x.shape[-1]],
        lambda x: x.repeat_interleave(2, dim=-1)[..., ::2],
        lambda x: x[:, :1].expand_as(x),
        lambda x: x.flip(2)[:, :, :4],
    ],
    ids=["contiguous", "part_of_rows", "every_other_element", "expanded_heads", "some_rows"],
)
def test_strides_do_not_change_a_bit(view: Callable[[Tensor], Tensor], dtype: torch.dtype) -> None:
    query, key, value = (view(random_rows((2, 3, 7, 10), i, dtype)) for i in range(3))
    dense = attention(query.contiguous(), key.contiguous(), value.contiguous(), None, 0.5)
    assert torch.equal(attention(query, key, value, None, 0.5), dense)


@engine_only
@native_dtypes
def test_grouped_heads_of_the_key_serve_several_of_the_query(dtype: torch.dtype) -> None:
    query, key, value = (random_rows((2, heads, 9, 16), i, dtype) for i, heads in enumerate((6, 2, 2)))
    repeated = (t.repeat_interleave(3, dim=1) for t in (key, value))
    assert torch.equal(attention(query, key, value, None, 0.25), attention(query, *repeated, None, 0.25))


@pytest.mark.slow
@native_only
@pytest.mark.parametrize(("level", "printed"), [("avx2", "None"), ("turbo", "NC_TRAINER_ISA takes auto, amx, ")])
def test_the_environment_variable_is_the_level(level: str, printed: str) -> None:
    code = "from nc_trainer.int8.ops.attention import native_instruction_set; print(native_instruction_set())"
    environment = {**os.environ, "NC_TRAINER_ISA": level}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert printed in done.stdout + done.stderr


@pytest.mark.parametrize("shape", [(0, 2, 3, 8), (2, 2, 0, 8), (2, 2, 3, 0)], ids=str)
def test_empty_tensors(shape: tuple[int, int, int, int]) -> None:
    x = random_rows(shape, 0)
    assert attention(x, x, x, None, 1.0).shape == shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("mask", ["none", "padding", "bias"])
def test_every_dtype_is_computed(dtype: torch.dtype, mask: str) -> None:
    query, key, value = (random_rows((2, 4, 9, 16), i, dtype) for i in range(3))
    m = MASKS[mask](2, 4, 9, 9, torch.Generator().manual_seed(0))
    y = attention(query, key, value, m, 0.25)
    assert y.dtype == dtype
    assert_close(y, query, key, value, m, 0.25)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_heads_are_joined_without_a_copy(dtype: torch.dtype) -> None:
    x = random_rows((2, 4, 9, 16), 0, dtype)
    assert attention(x, x, x, None, 0.25).transpose(1, 2).is_contiguous()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("mask", ["none", "padding"])
def test_the_operator_has_a_fake_implementation(dtype: torch.dtype, mask: str) -> None:
    x = random_rows((2, 4, 9, 16), 0, dtype)
    m = MASKS[mask](2, 4, 9, 9, torch.Generator().manual_seed(0))
    torch.library.opcheck(attention, (x, x, x, m, 0.25), test_utils=("test_schema", "test_faketensor"))


X = torch.zeros(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": X[0]}, r"\[2, 3, 4\], \[1, 2, 3, 4\]"),
        ({"value": X[:, :, :2]}, "key and value alike"),
        ({"query": X[..., :3]}, "one batch and depth"),
        ({"query": torch.zeros(1, 3, 3, 4)}, "multiple of the key's heads"),
        ({"mask": torch.zeros(3, 3, dtype=torch.int64)}, "bool, fp32 or bf16, not torch.int64"),
        ({"mask": torch.zeros(3, 3), "is_causal": True}, "exclude each other"),
        ({"scale": -1.0}, "positive, not -1.0"),
    ],
    ids=["dimensions", "value", "depth", "heads", "mask", "mask_and_causal", "scale"],
)
def test_bad_arguments_are_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"query": X, "key": X, "value": X, "mask": None, "scale": 1.0}
    with pytest.raises(QuantizationError, match=message):
        attention(**(good | change))
