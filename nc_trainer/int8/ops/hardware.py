"""What the system says of the CPU, in /proc/cpuinfo."""

from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last one is Arm's


def read_processors() -> list[dict[str, str]]:
    """What is said of each logical processor; empty where there is no such file."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [_fields(block) for block in text.strip().split("\n\n")]


def cpu_flags() -> frozenset[str]:
    """Names of what the first processor can do: `flags` on x86, `Features` on Arm; none where the system does not say.

    Unlike what torch reports, no environment variable lowers it.
    """
    first = next(iter(read_processors()), {})
    return frozenset(first.get("flags", first.get("Features", "")).split())


@cache
def has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; False where the system does not say."""
    return not BF16_FLAGS.isdisjoint(cpu_flags())


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
