"""A packed weight is the plain one in another order: it comes back whole, and no output differs by a bit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nc_trainer.int8.ops import int8_linear
from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.ops.packing import is_packed, pack, unpack

SIZES = st.integers(0, 150)


def random_int8(rows: int, columns: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-128, 128, (rows, columns), dtype=torch.int8, generator=generator)


@given(n=SIZES, k=SIZES)
def test_unpacking_gives_the_codes_back(n: int, k: int) -> None:
    codes = random_int8(n, k, 0)
    packed = pack(codes)
    assert (is_packed(packed), is_packed(codes)) == (True, False)
    assert torch.equal(unpack(packed, n, k), codes)


def test_four_neighbouring_k_of_sixteen_outputs_lie_side_by_side() -> None:
    codes = random_int8(20, 70, 0)
    packed = pack(codes)
    assert packed.shape == (2, 32, 16)
    word = packed.view(torch.uint8).view(2, 32, 16, 4)[1, 5, 2]
    assert torch.equal(word.int() - 128, codes[18, 20:24].int())


@settings(max_examples=60, deadline=None)
@given(m=st.integers(0, 20), n=SIZES, k=SIZES, dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
@pytest.mark.parametrize("engine", ["reference", "onednn", "native"])
def test_every_engine_takes_either_form(engine: str, m: int, n: int, k: int, dtype: torch.dtype) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NC_TRAINER_ENGINE", engine)
        x, codes = torch.randn(m, k).to(dtype), random_int8(n, k, 1)
        scale, bias = torch.rand(n), torch.randn(n)
        plain = int8_linear(x, codes, scale, bias)
        assert torch.equal(int8_linear(x, pack(codes), scale, bias), plain)


@pytest.mark.skipif(native.unavailable_reason() is not None, reason="the native engine cannot run here")
@pytest.mark.parametrize(("outputs", "inputs"), [(17, 64), (16, 65), (33, 64)])
def test_a_packed_weight_of_another_shape_is_refused(outputs: int, inputs: int) -> None:
    with pytest.raises(RuntimeError, match="a packed qweight of 16 outputs and 64 inputs has the shape"):
        native.int8_linears(torch.ones(2, 64), [pack(random_int8(outputs, inputs, 0))], [torch.ones(16)], [None])


@pytest.mark.skipif(native.unavailable_reason() is not None, reason="the native engine cannot run here")
@pytest.mark.parametrize("n", [16, 80])
def test_a_packed_weight_may_lie_anywhere_in_memory(n: int) -> None:
    """Constants of a compiled package are not on a multiple of 64 bytes."""
    x, packed, scale = torch.randn(9, 130), pack(random_int8(n, 130, 0)), torch.rand(n)
    moved = torch.cat([torch.zeros(1, dtype=torch.int32), packed.flatten()])[1:].view_as(packed)
    assert moved.data_ptr() % 8 == 4
    expected = native.int8_linears(x, [packed], [scale], [None])[0]
    assert torch.equal(native.int8_linears(x, [moved], [scale], [None])[0], expected)
