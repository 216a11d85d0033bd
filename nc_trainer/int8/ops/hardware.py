"""What the CPU can do, as far as it decides how a model computes."""

from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last one is Arm's


@cache
def has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; False where the system does not say."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return not BF16_FLAGS.isdisjoint(flags.split())
