"""What the digest of the weights costs at loading: CPU time per MiB, of files that are in memory.

python benchmarks/loading/digest.py [MIB ...]
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from nc_trainer.benchmark.machine import describe_machine
from nc_trainer.hub.digest import digest_of

REPEATS = 7


def milliseconds_per_mib(path: Path, mib: int) -> list[float]:
    """CPU time of each of the repeats."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        digest_of([path])
        times.append((time.process_time() - start) * 1000 / mib)
    return times


def main(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for mib in sizes:
            path = Path(directory, f"{mib}.safetensors")
            path.write_bytes(bytes(range(256)) * 4096 * mib)
            times = milliseconds_per_mib(path, mib)
            figures = {"median": statistics.median(times), "least": min(times), "most": max(times)}
            rounded = {f"{name}_ms_per_mib": round(value, 3) for name, value in figures.items()}
            print(json.dumps({"cpu": describe_machine().cpu, "mib": mib, **rounded}))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [32, 128])
