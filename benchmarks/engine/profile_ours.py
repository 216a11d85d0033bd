"""Where the time of our forward pass goes: torch.profiler's operators in four groups, and the longest of them.

    python benchmarks/engine/profile_ours.py --shape bert-1x128 [--threads 2] [--calls 20]

Times are of the operators themselves, without those they call. Profiling slows down short operators; compare shares
with each other, not with the milliseconds of compare_peers.py.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from harness.models import make_model
from harness.process import limit_threads, restart_with_allocator
from harness.report import table
from harness.workloads import WORKLOADS, timed_batches
from nc_trainer.benchmark.machine import available_processors
from peers.interface import Batch
from peers.ours import quantized

# The first group whose words the operator's name contains.
GROUPS = {
    "int8_linear": ("int8_linear", "qlinear", "quantize"),
    "attention": ("attention", "flash"),
    "layer norm": ("layer_norm",),
}
REST, LONGEST, WARMUP = "rest", 15, 5


def main() -> None:
    options = parse()
    restart_with_allocator()
    limit_threads(options.threads)
    workload = WORKLOADS[options.shape]
    batches = timed_batches(workload, options.glue, options.tokenizer)
    times = operator_times(quantized(make_model(workload.model), batches[0]), batches, options.calls)
    total = sum(times.values())
    print(share_table("group", grouped(times).items(), total))
    print()
    longest = sorted(times.items(), key=lambda item: -item[1])[:LONGEST]
    print(share_table("operator", longest, total))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=WORKLOADS, default="bert-1x128", metavar="SHAPE")
    parser.add_argument("--calls", type=int, default=20, help="profiled passes over the batches")
    parser.add_argument("--threads", type=int, default=len(available_processors()) or 1)
    parser.add_argument("--glue", type=Path, help="directory of the official GLUE folders, for the text shapes")
    parser.add_argument("--tokenizer", type=Path, help="directory of a BERT-uncased tokenizer, for the text shapes")
    return parser.parse_args()


def operator_times(model: Any, batches: Iterable[Batch], calls: int) -> dict[str, float]:
    """Milliseconds of each operator in one pass over the batches."""
    with torch.inference_mode():
        for _ in range(WARMUP):
            forward(model, batches)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(calls):
                forward(model, batches)
    return {event.key: event.self_cpu_time_total / calls / 1e3 for event in profiler.key_averages()}


def forward(model: Any, batches: Iterable[Batch]) -> None:
    for batch in batches:
        model(**batch)


def grouped(times: dict[str, float]) -> dict[str, float]:
    """The sums of GROUPS and of the rest."""
    sums = dict.fromkeys([*GROUPS, REST], 0.0)
    for name, value in times.items():
        sums[group_of(name)] += value
    return sums


def group_of(operator: str) -> str:
    return next((group for group, words in GROUPS.items() if any(word in operator for word in words)), REST)


def share_table(title: str, times: Iterable[tuple[str, float]], total: float) -> str:
    rows = [[name, f"{value:.3f}", f"{value / total:.1%}"] for name, value in times]
    return table([title, "ms", "share"], rows)


if __name__ == "__main__":
    main()
