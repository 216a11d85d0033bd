"""`python -m nc_trainer.benchmark.instance_process JOB`: holds all models and times one call when it is asked to."""

import gc
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from nc_trainer.benchmark.processes import requests, serve
from nc_trainer.benchmark.sources import ModelSource, read_batches
from nc_trainer.hub import describe_engine


def answers(job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """First that all is loaded, then the seconds of each call asked for: `{"model": name, "batch": number}`."""
    disable_progress_bar()
    torch.set_num_threads(job["threads"])
    if job["interop_threads"]:
        torch.set_num_interop_threads(job["interop_threads"])
    batches = read_batches(Path(job["batches"]))
    models = {name: ModelSource(**source).load() for name, source in job["models"].items()}
    yield {
        "cores": sorted(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "engine": describe_engine(*models.values()),
    }
    gc.collect()
    gc.disable()
    with torch.inference_mode():
        for request in requests():
            model, batch = models[request["model"]], batches[request["batch"]]
            start = time.perf_counter()
            model(**batch)
            yield {"seconds": time.perf_counter() - start}


if __name__ == "__main__":
    serve(answers)
