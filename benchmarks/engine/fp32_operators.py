"""Attention and linear layers in fp32, whose rows do not depend on each other, beside torch's: CPU time of one thread.

python benchmarks/engine/fp32_operators.py
"""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from nc_trainer.int8.ops.attention import native_attention
from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.ops.float_linear import float_linear

LINEAR = ((768, 768), (768, 3072), (3072, 768), (384, 1536), (768, 2))
ROWS = (1, 16, 128, 1024)
ATTENTION = ((1, 12, 16, 64), (1, 12, 128, 64), (8, 12, 128, 64), (1, 12, 512, 64), (8, 12, 32, 32), (1, 12, 2048, 64))
ROUNDS = 15
SHORTEST = 2e-3  # seconds that one measurement takes at least

Call = Callable[[], Tensor]


def least(ours: Call, theirs: Call) -> tuple[float, float]:
    """Milliseconds of each, the least of `ROUNDS` that take turns."""
    calls = (ours, theirs)
    repeats = [max(1, round(SHORTEST / _seconds(call, 3))) for call in calls]
    found = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for i, call in enumerate(calls):
            found[i] = min(found[i], 1000 * _seconds(call, repeats[i]))
    return found[0], found[1]


def _seconds(call: Call, repeats: int) -> float:
    started = time.thread_time()
    for _ in range(repeats):
        call()
    return (time.thread_time() - started) / repeats


def linear_layers() -> Iterator[tuple[str, Call, Call]]:
    """Name, ours and torch's, with the weight as `nn.Linear` and as `Conv1D` have it."""
    for k, n in LINEAR:
        weight, bias = torch.randn(n, k) / k**0.5, torch.randn(n)
        turned = weight.T.contiguous()
        for rows in ROWS:
            x = torch.randn(rows, k)
            name = f"{rows} rows, {k} to {n}"
            yield f"linear, {name}", _bound(float_linear, x, weight, bias), _bound(F.linear, x, weight, bias)
            theirs = _bound(torch.addmm, bias, x, turned)
            yield f"Conv1D, {name}", _bound(float_linear, x, turned, bias, True), theirs


def attentions() -> Iterator[tuple[str, Call, Call]]:
    """Name, ours and torch's, without a mask, with a causal one and with half of the tokens padding."""
    for batch, heads, tokens, depth in ATTENTION:
        query, key, value = (torch.randn(batch, tokens, heads, depth).transpose(1, 2) for _ in range(3))
        half = (torch.arange(tokens) < (tokens + 1) // 2).expand(batch, 1, tokens, tokens)
        name = f"{batch} x {heads} x {tokens} x {depth}"
        for kind, mask, causal in (("full", None, False), ("causal", None, True), ("half padding", half, False)):
            ours = _bound(native_attention, query, key, value, mask, depth**-0.5, causal)
            theirs = _bound(F.scaled_dot_product_attention, query, key, value, mask, 0.0, causal)
            yield f"attention, {name}, {kind}", ours, theirs


def _bound(function: Callable[..., Tensor], *args: object) -> Call:
    return lambda: function(*args)


def main() -> None:
    """Print a table."""
    ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if reason := native.unavailable_reason():
        raise SystemExit(reason)
    print("| | ours, ms | torch, ms | ours / torch |\n|---|---|---|---|")
    for calls in (linear_layers(), attentions()):
        for name, ours, theirs in calls:
            a, b = least(ours, theirs)
            print(f"| {name} | {a:.4f} | {b:.4f} | {a / b:.2f} |", flush=True)


if __name__ == "__main__":
    with torch.no_grad():
        main()
