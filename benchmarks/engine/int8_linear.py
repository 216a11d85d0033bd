"""Time the native engine against what torch ships, quantization of the activations included.

    python benchmarks/engine/int8_linear.py [--threads 2] [--seconds 4] [--isa LEVEL] [--output FILE]

The contestants take turns, one call each; the table shows the median of each, the file the fastest too, and both
show the native engine's share of the int8 peak that is measured in the same run. With one thread its CPU time is
measured, which other processes disturb less. `x86` is torch's quantized::linear_dynamic with per-channel weights and
the x86 engine; `x86_7bit` is the same with reduce_range, which is how torch's quantize_dynamic calls it and which
keeps 7 bits of the activations; `onednn` is the same operator with that engine. `int_mm` is torch._int_mm on int8
rows: the product alone, in int32. What is far slower than fp32 is left out.
"""

import argparse
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.int8_peak import LEVELS, VARIABLE, int8_peak_tops
from nc_trainer.benchmark import describe_machine
from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.ops.packing import pack

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
SLOW, FEW_ROWS = 10, 32
Contestants = dict[str, Callable[[], Tensor]]


def main() -> None:
    arguments = parse_arguments()
    if arguments.isa:
        os.environ[VARIABLE] = arguments.isa
    torch.set_num_threads(arguments.threads)
    if reason := native.unavailable_reason():
        raise SystemExit(reason)
    skipped = slow_contestants()
    results = [measure(shape, arguments.seconds, skipped) for shape in SHAPES]
    peak = int8_peak_tops()
    print(table(results, peak))
    settings = {"threads": arguments.threads, "isa": arguments.isa, "int8_peak_tops": peak, "too_slow": skipped}
    report = {"machine": machine(), **settings, "milliseconds": results}
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=4.0, help="time spent on each shape")
    parser.add_argument("--isa", choices=LEVELS, help=f"force the native engine's instructions (sets {VARIABLE})")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    return parser.parse_args()


def slow_contestants() -> list[str]:
    """Those that take SLOW times as long as fp32 for a few rows: on some CPUs oneDNN has only a reference kernel."""
    calls = contestants(FEW_ROWS, 768, 768)
    once = {name: min(milliseconds(call, time.perf_counter) for _ in range(3)) for name, call in calls.items()}
    return [name for name, value in once.items() if value > SLOW * once["fp32"]]


def measure(shape: tuple[int, int, int], seconds: float, skipped: Sequence[str]) -> dict[str, Any]:
    """The median milliseconds of every contestant for x [M, K] and a weight [N, K]."""
    calls = {name: call for name, call in contestants(*shape).items() if name not in skipped}
    for _ in range(WARMUP):
        for call in calls.values():
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    rounds = 0
    while rounds < MIN_ROUNDS or (time.perf_counter() < end and rounds < MAX_ROUNDS):
        for name, call in calls.items():
            times[name].append(milliseconds(call, clock))
        rounds += 1
    medians = {name: round(statistics.median(values), 4) for name, values in times.items()}
    fastest = {name: round(min(values), 4) for name, values in times.items()}
    return {"shape": list(shape), "rounds": rounds, **medians, "fastest": fastest}


def milliseconds(call: Callable[[], Tensor], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return (clock() - start) * 1e3


def contestants(m: int, k: int, n: int) -> Contestants:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(m, k), torch.randn(n, k), torch.randn(n)
    scale = weight.abs().amax(dim=1) / 127
    qweight = (weight / scale[:, None]).round().to(torch.int8)
    codes = (x / (x.abs().amax(dim=1, keepdim=True) / 127)).round().to(torch.int8)
    kept = pack(qweight)
    packed = {engine: torch_weight(engine, weight, scale, bias) for engine in ("x86", "onednn")}
    return {
        "fp32": lambda: torch.nn.functional.linear(x, weight, bias),
        "x86": lambda: torch.ops.quantized.linear_dynamic(x, packed["x86"], reduce_range=False),
        "x86_7bit": lambda: torch.ops.quantized.linear_dynamic(x, packed["x86"], reduce_range=True),
        "onednn": lambda: torch.ops.quantized.linear_dynamic(x, packed["onednn"], reduce_range=False),
        "int_mm": lambda: torch._int_mm(codes, qweight.T),
        "native": lambda: native.int8_linears(x, [kept], [scale], [bias]),
    }


def torch_weight(engine: str, weight: Tensor, scale: Tensor, bias: Tensor) -> object:
    """Packed for one of torch's engines; the packed weight, not the setting, decides which one multiplies."""
    torch.backends.quantized.engine = engine
    warnings.filterwarnings("ignore", message=".*quantize")
    zero_points = torch.zeros(len(scale), dtype=torch.long)
    quantized = torch.quantize_per_channel(weight, scale.double(), zero_points, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(quantized, bias)


def table(results: list[dict[str, Any]], peak: float | None) -> str:
    names = [name for name in results[0] if name not in ("shape", "rounds", "fastest")]
    columns = "".join(f"{name:>12}" for name in names)
    head = f"{'M, K, N':18}{columns}{'vs fp32':>10}{'vs 7bit':>10}{'TOPS':>8}{'of peak':>9}"
    return "\n".join([head, *(line(result, names, peak) for result in results)])


def line(result: dict[str, Any], names: list[str], peak: float | None) -> str:
    m, k, n = result["shape"]
    ours = result["native"]
    cells = "".join(f"{result[name]:12.3f}" for name in names)
    ratios = "".join(f"{result[name] / ours:9.2f}x" for name in ("fp32", "x86_7bit"))
    tops = 2 * m * k * n / ours / 1e9
    share = f"{tops / peak:9.0%}" if peak else ""
    return f"{f'{m}, {k}, {n}':18}{cells}{ratios}{tops:8.2f}{share}"


def machine() -> dict[str, str]:
    return {"cpu": describe_machine().cpu, "torch": torch.__version__, "system": platform.platform()}


if __name__ == "__main__":
    main()
