"""Time the native engine against what torch ships, quantization of the activations included.

    python benchmarks/engine/int8_linear.py [--threads 2] [--seconds 4] [--output FILE]

The contestants take turns, one call each; the table shows the median of each, the file the fastest too.
With one thread its CPU time is measured, which other processes disturb less. `dynamic` is torch's
quantized::linear_dynamic with per-channel weights and the x86 engine; `dynamic_7bit` is the same with
reduce_range, which is how torch's quantize_dynamic calls it and which keeps 7 bits of the activations.
"""

import argparse
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nc_trainer.ops.engines import native

SHAPES = (
    (2048, 768, 768),
    (2048, 768, 3072),
    (2048, 3072, 768),
    (512, 384, 1536),
    (128, 384, 384),
    (128, 768, 3072),
    (32, 768, 768),
    (1, 768, 768),
)
MIN_ROUNDS, MAX_ROUNDS, WARMUP = 7, 2000, 3
Contestants = dict[str, Callable[[], Tensor]]


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    if reason := native.unavailable_reason():
        raise SystemExit(reason)
    results = [measure(shape, arguments.seconds) for shape in SHAPES]
    print(table(results))
    report = {"machine": machine(), "threads": arguments.threads, "milliseconds": results}
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=4.0, help="time spent on each shape")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    return parser.parse_args()


def measure(shape: tuple[int, int, int], seconds: float) -> dict[str, Any]:
    """The median milliseconds of every contestant for x [M, K] and a weight [N, K]."""
    calls = contestants(*shape)
    for _ in range(WARMUP):
        for call in calls.values():
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    rounds = 0
    while rounds < MIN_ROUNDS or (time.perf_counter() < end and rounds < MAX_ROUNDS):
        for name, call in calls.items():
            start = clock()
            call()
            times[name].append((clock() - start) * 1e3)
        rounds += 1
    medians = {name: round(statistics.median(values), 4) for name, values in times.items()}
    fastest = {name: round(min(values), 4) for name, values in times.items()}
    return {"shape": list(shape), "rounds": rounds, **medians, "fastest": fastest}


def contestants(m: int, k: int, n: int) -> Contestants:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(m, k), torch.randn(n, k), torch.randn(n)
    scale = weight.abs().amax(dim=1) / 127
    qweight = (weight / scale[:, None]).round().to(torch.int8)
    packed = torch_weight(weight, scale, bias)
    return {
        "fp32": lambda: torch.nn.functional.linear(x, weight, bias),
        "dynamic": lambda: torch.ops.quantized.linear_dynamic(x, packed, reduce_range=False),
        "dynamic_7bit": lambda: torch.ops.quantized.linear_dynamic(x, packed, reduce_range=True),
        "native": lambda: native.int8_linears(x, [qweight], [scale], [bias]),
    }


def torch_weight(weight: Tensor, scale: Tensor, bias: Tensor) -> object:
    torch.backends.quantized.engine = "x86"
    warnings.filterwarnings("ignore", message=".*quantize")
    zero_points = torch.zeros(len(scale), dtype=torch.long)
    quantized = torch.quantize_per_channel(weight, scale.double(), zero_points, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(quantized, bias)


def table(results: list[dict[str, Any]]) -> str:
    names = [name for name in results[0] if name not in ("shape", "rounds", "fastest")]
    head = (
        f"{'M, K, N':18}" + "".join(f"{name:>14}" for name in names) + f"{'vs fp32':>10}{'vs 7bit':>10}{'GMAC/s':>9}"
    )
    return "\n".join([head, *(line(result, names) for result in results)])


def line(result: dict[str, Any], names: list[str]) -> str:
    m, k, n = result["shape"]
    ours = result["native"]
    cells = "".join(f"{result[name]:14.3f}" for name in names)
    ratios = "".join(f"{result[name] / ours:9.2f}x" for name in ("fp32", "dynamic_7bit"))
    return f"{f'{m}, {k}, {n}':18}{cells}{ratios}{m * k * n / ours / 1e6:9.0f}"


def machine() -> dict[str, str]:
    return {"cpu": cpu_name(), "torch": torch.__version__, "system": platform.platform()}


def cpu_name() -> str:
    fields = [row.split(":", 1) for row in Path("/proc/cpuinfo").read_text().splitlines() if ":" in row]
    names = {key.strip(): value.strip() for key, value in reversed(fields)}
    return f"{names['model name']} (family {names['cpu family']}, model {names['model']})"


if __name__ == "__main__":
    main()
