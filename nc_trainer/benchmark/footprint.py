"""What a model costs in memory and in time to load: measured in processes that hold nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from nc_trainer.benchmark.processes import THREAD_VARIABLES, started
from nc_trainer.benchmark.sources import ModelSource, write_batches
from nc_trainer.benchmark.statistics import median
from nc_trainer.hub.files import weight_files

LOADS = 3
MODULE = "nc_trainer.benchmark.footprint_process"


@dataclass(frozen=True)
class Footprint:
    """Memory is resident, in MB (10^6 bytes); of several processes, each of which loads the model once, the median.

    `imported_mb` is what Python with torch and transformers takes before the model is loaded, `loaded_mb` after it,
    `peak_mb` the most until two batches have been computed, everything included. `load_s` and `first_batch_s` have the
    seconds of each process: from_pretrained, the files being in the page cache, imports not counted; and the first
    call, which may pack weights or choose kernels.
    """

    imported_mb: float
    loaded_mb: float
    peak_mb: float
    load_s: tuple[float, ...]
    first_batch_s: tuple[float, ...]

    @property
    def load_s_median(self) -> float:
        """Seconds that loading takes."""
        return median(self.load_s)


def measure_footprint(
    source: ModelSource, batches: Sequence[Mapping[str, Tensor]], *, threads: int | None = None, loads: int = LOADS
) -> Footprint:
    """Load the model in `loads` fresh processes, one after the other, and give it the largest of the batches.

    Args:
        source: where the model is.
        batches: collated, without labels.
        threads: of torch; None is what this process has.
        loads: how many processes.

    Raises:
        NCTrainerError: the model cannot be loaded or run.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "batch.safetensors")
        write_batches([max(batches, key=_size)], path)
        _read_into_page_cache(source)
        job = {"model": source.to_dict(), "batches": str(path), "threads": threads or torch.get_num_threads()}
        answers = [_answer(job) for _ in range(loads)]
    return Footprint(
        imported_mb=median([answer["imported_mb"] for answer in answers]),
        loaded_mb=median([answer["loaded_mb"] for answer in answers]),
        peak_mb=median([answer["peak_mb"] for answer in answers]),
        load_s=tuple(answer["load_s"] for answer in answers),
        first_batch_s=tuple(answer["first_batch_s"] for answer in answers),
    )


def _answer(job: Mapping[str, object]) -> dict[str, float]:
    variables = dict.fromkeys(THREAD_VARIABLES, str(job["threads"]))
    with started(MODULE, [job], [None], variables) as (child,):
        return child.receive()


def _size(batch: Mapping[str, Tensor]) -> int:
    return max(value.numel() for value in batch.values() if isinstance(value, Tensor))


def _read_into_page_cache(source: ModelSource) -> None:
    """So that the first process does not wait for the disk where the others do not."""
    for file in weight_files(Path(source.directory)):
        with open(file, "rb") as stream:
            while stream.read(1 << 24):
                pass
