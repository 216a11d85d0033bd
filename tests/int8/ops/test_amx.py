"""The tile instructions do what Intel's manual says: emulated everywhere, in hardware where the CPU has them."""

import ctypes
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nc_trainer.int8.ops.engines import native, native_compile

DTYPES = {
    "dpbssd": (torch.int8, torch.int8),
    "dpbsud": (torch.int8, torch.uint8),
    "dpbusd": (torch.uint8, torch.int8),
    "dpbf16ps": (torch.bfloat16, torch.bfloat16),
}
SHAPES = [(16, 16, 16), (3, 5, 7), (1, 1, 1), (16, 1, 16)]


@pytest.fixture(scope="module", params=["emulated", "hardware"])
def amx(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = native_compile.find_compiler()
    missing = native.hardware_reason() or (compiler is None and "there is no C++ compiler here")
    if missing or compiler is None:
        pytest.skip(str(missing))
    library = tmp_path_factory.mktemp("amx") / "probe.so"
    sources = [native_compile.SOURCES / "amx.cpp", Path(__file__).with_name("amx_probe.cpp")]
    flags = [*native_compile.COMMON_FLAGS, "-shared", f"-I{native_compile.SOURCES}"]
    emulation = ["-DNC_EMULATE_AMX"] if request.param == "emulated" else []
    subprocess.run([compiler, *flags, *emulation, *map(str, sources), "-o", str(library)], check=True)
    probe = ctypes.CDLL(str(library))
    if not probe.usable():
        pytest.skip("this CPU has no AMX")
    return probe


def multiply(amx: ctypes.CDLL, name: str, c: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`c + a @ b` by one instruction, for a [m, k * i] and b [k, n * i] with i elements in 32 bits."""
    result = c.clone()
    m, n = c.shape
    pointers = [ctypes.c_void_p(t.data_ptr()) for t in (result, a, b)]
    amx.multiply(list(DTYPES).index(name), *pointers, m, b.shape[0], n)
    return result


def unpack(b: Tensor, n: int) -> Tensor:
    """[k, n * i] as the instruction reads it to the [k * i, n] matrix it stands for."""
    return b.reshape(b.shape[0], n, -1).transpose(1, 2).reshape(-1, n)


@pytest.mark.parametrize("name", ["dpbssd", "dpbsud", "dpbusd"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_int8_products_are_exact_and_wrap_around(amx: ctypes.CDLL, name: str, shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    generator = torch.Generator().manual_seed(0)
    a = torch.randint(0, 256, (m, 4 * k), generator=generator).to(torch.uint8).view(DTYPES[name][0])
    b = torch.randint(0, 256, (k, 4 * n), generator=generator).to(torch.uint8).view(DTYPES[name][1])
    c = torch.full((m, n), 2**31 - 5, dtype=torch.int32)
    expected = c.long() + a.long() @ unpack(b, n).long()
    assert torch.equal(multiply(amx, name, c, a, b), expected.to(torch.int32))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bf16_products_of_small_integers_are_exact(amx: ctypes.CDLL, shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    generator = torch.Generator().manual_seed(1)
    a = torch.randint(-128, 129, (m, 2 * k), generator=generator).bfloat16()
    b = torch.randint(-128, 129, (k, 2 * n), generator=generator).bfloat16()
    c = torch.randint(-9, 9, (m, n), generator=generator).float()
    assert torch.equal(multiply(amx, "dpbf16ps", c, a, b), c + a.float() @ unpack(b, n).float())


BIG, TINY = 2.0**24, 2.0**-130  # TINY is denormal


@pytest.mark.parametrize(
    ("c", "a", "b", "expected"),
    [
        # even elements: 2^24 + 1 + 1 rounds to 2^24 twice; odd elements: 1 + 1 - 2^24 is exact
        (0.0, [BIG, 1, 1, 1, 1, -BIG], [1] * 6, 2.0),
        (0.0, [BIG, 0, 1, 0, 1, 0, -BIG, 0], [1] * 8, 0.0),
        # the products are summed before C is added: 2^24 + (1 + 1), not (2^24 + 1) + 1
        (BIG, [1, 1], [1, 1], BIG + 2),
        (0.0, [TINY, 0], [2.0**100, 0], 0.0),
        (0.0, [2.0**-70, 0], [2.0**-70, 0], 0.0),
        (2.0**-127, [0, 0], [1, 1], 0.0),
        (0.0, [float("inf"), 1], [1, 1], float("inf")),
    ],
    ids=["even_and_odd_apart", "in_order", "c_last", "denormal_operand", "denormal_result", "denormal_c", "infinity"],
)
def test_bf16_rounding_order(amx: ctypes.CDLL, c: float, a: list[float], b: list[float], expected: float) -> None:
    rows = torch.tensor([a]).bfloat16()
    pairs = torch.tensor([b]).bfloat16().reshape(-1, 2).contiguous()
    assert multiply(amx, "dpbf16ps", torch.tensor([[c]]), rows, pairs).item() == expected
