"""Time the operator `nc_trainer::attention` in bf16 against torch's scaled_dot_product_attention in bf16 and fp32.

    python benchmarks/engine/attention.py [--threads 2] [--seconds 4] [--output FILE]

Each row is a shape and a mask: `full` has none, `padded` is the bool mask that transformers 5 makes of rows from a
quarter to the whole of the length. The contestants take turns, one call each; all start from views of [B, T, H, d] and
end in the contiguous [B, T, H * d] that the next layer reads. Ours is called as models call it, without the detour
through torch.library. With one thread its CPU time is measured, which other processes disturb less.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from int8_linear import MAX_ROUNDS, MIN_ROUNDS, WARMUP, machine, milliseconds
from nc_trainer.int8.ops.attention import native_instruction_set

SHAPES = {
    "BERT-base 16x128": (16, 12, 128, 64),
    "BERT-base 1x128": (1, 12, 128, 64),
    "BERT-base 1x32": (1, 12, 32, 64),
    "BERT-base 2x512": (2, 12, 512, 64),
    "MiniLM 16x128": (16, 12, 128, 32),
}
Contestants = dict[str, Callable[[], Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=4.0, help="time spent on each row")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    instruction_set = native_instruction_set()
    if instruction_set is None:
        raise SystemExit("This machine has no kernels for attention in bf16: nothing to compare.")
    results = []
    for name, shape in SHAPES.items():
        for mask in ("full", "padded"):
            results.append(measure(name, shape, mask, arguments.seconds))
            print(line(results[-1]), flush=True)
    report = {"machine": machine(), "threads": arguments.threads, "isa": instruction_set, "milliseconds": results}
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


@torch.inference_mode()
def measure(name: str, shape: tuple[int, int, int, int], mask: str, seconds: float) -> dict[str, Any]:
    """The median and the fastest milliseconds of every contestant."""
    calls = contestants(shape, mask)
    times: dict[str, list[float]] = {contestant: [] for contestant in calls}
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    end = time.perf_counter() + seconds
    rounds = -WARMUP
    while rounds < MIN_ROUNDS or (time.perf_counter() < end and rounds < MAX_ROUNDS):
        for contestant, call in calls.items():
            duration = milliseconds(call, clock)
            if rounds >= 0:
                times[contestant].append(duration)
        rounds += 1
    medians = {contestant: round(statistics.median(values), 4) for contestant, values in times.items()}
    fastest = {contestant: round(min(values), 4) for contestant, values in times.items()}
    return {"row": f"{name} {mask}", "shape": list(shape), "rounds": rounds, **medians, "fastest": fastest}


def contestants(shape: tuple[int, int, int, int], mask: str) -> Contestants:
    batch, heads, tokens, depth = shape
    torch.manual_seed(0)
    fp32 = [torch.randn(batch, tokens, heads, depth).transpose(1, 2) for _ in range(3)]
    bf16 = [torch.randn(batch, tokens, heads, depth).bfloat16().transpose(1, 2) for _ in range(3)]
    lengths = torch.linspace(tokens / 4, tokens, batch + 1)[1:].ceil()[:, None, None, None]
    seen = (torch.arange(tokens) < lengths).expand(-1, 1, tokens, -1).contiguous() if mask == "padded" else None

    def joined(y: Tensor) -> Tensor:
        return y.transpose(1, 2).reshape(batch, tokens, heads * depth)

    return {
        "torch fp32": lambda: joined(F.scaled_dot_product_attention(*fp32, attn_mask=seen)),
        "torch bf16": lambda: joined(F.scaled_dot_product_attention(*bf16, attn_mask=seen)),
        "ours bf16": lambda: joined(torch.ops.nc_trainer_native.attention(*bf16, seen, depth**-0.5)),
    }


def line(result: dict[str, Any]) -> str:
    ours = result["ours bf16"]
    cells = [f"{name} {result[name]:8.3f}" for name in ("torch fp32", "torch bf16", "ours bf16")]
    return f"{result['row']:24} {'  '.join(cells)}  torch bf16 / ours {result['torch bf16'] / ours:5.2f}"


if __name__ == "__main__":
    main()
