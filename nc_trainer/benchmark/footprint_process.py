"""`python -m nc_trainer.benchmark.footprint_process JOB`: loads a model, gives it a batch twice, says what it took."""

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from nc_trainer.benchmark.processes import serve
from nc_trainer.benchmark.sources import ModelSource, read_batches

STATUS = Path("/proc/self/status")


def answers(job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One answer: the fields of `Footprint`, of this process."""
    disable_progress_bar()
    torch.set_num_threads(job["threads"])
    (batch,) = read_batches(Path(job["batches"]))
    imported = resident_mb("VmRSS")
    start = time.perf_counter()
    model = ModelSource(**job["model"]).load()
    load_s = time.perf_counter() - start
    loaded = resident_mb("VmRSS")
    with torch.inference_mode():
        start = time.perf_counter()
        model(**batch)
        first_batch_s = time.perf_counter() - start
        model(**batch)
    yield {
        "imported_mb": imported,
        "loaded_mb": loaded,
        "peak_mb": resident_mb("VmHWM"),
        "load_s": load_s,
        "first_batch_s": first_batch_s,
    }


def resident_mb(name: str) -> float:
    """Resident memory of this process in 10^6 bytes: `VmRSS` now, `VmHWM` the most so far.

    Linux keeps `ru_maxrss` of `getrusage` across exec, so there it may be the parent's; VmHWM begins anew. Systems
    without /proc only have `getrusage`, so the most so far stands for both.
    """
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines())
        return int(lines[name].split()[0]) * 1024 / 1e6
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    serve(answers)
