"""What a few columns in float cost a linear layer, beside the layer in int8 and in float: CPU time of one thread.

python benchmarks/engine/float_columns.py
"""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from nc_trainer.int8.nn import Int8Linear

SHAPES = ((384, 384), (384, 1536), (1536, 384), (768, 768), (3072, 768))
ROWS = (16, 512, 2048)
COUNTS = (0, 1, 2, 4, 8)
ROUNDS = 15


def least(calls: Mapping[str, Callable[[], Tensor]]) -> dict[str, float]:
    """Milliseconds of each, the least of `ROUNDS` that take turns."""
    found = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = time.thread_time()
            call()
            found[name] = min(found[name], 1000 * (time.thread_time() - started))
    return found


def timed(inputs: int, outputs: int, rows: int, dtype: torch.dtype) -> dict[str, float]:
    """One layer, by the number of columns in float, and in float."""
    linear, x = nn.Linear(inputs, outputs).requires_grad_(False), torch.randn(rows, inputs).to(dtype)
    modules = {f"{count}": Int8Linear.from_float(linear, range(count)).eval() for count in COUNTS}
    for module in modules.values():
        module.pack_weights()
    modules["float"] = linear.to(dtype)
    return least({name: lambda module=module: module(x) for name, module in modules.items()})


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    heads = ("in, out", "rows", "dtype", "int8, ms", *(f"{count} columns" for count in COUNTS[1:]), "float")
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for inputs, outputs in SHAPES:
        for rows in ROWS:
            for dtype in (torch.float32, torch.bfloat16):
                found = timed(inputs, outputs, rows, dtype)
                ratios = [f"{value / found['0']:.2f}" for name, value in found.items() if name != "0"]
                cells = (f"{inputs}, {outputs}", f"{rows}", str(dtype)[6:], f"{found['0']:.3f}", *ratios)
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    ArgumentParser(description=__doc__).parse_args()
    main()
