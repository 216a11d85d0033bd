"""Time models in several processes at the same time, each pinned to cores of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from nc_trainer.benchmark.assemble import Facts, assemble
from nc_trainer.benchmark.conditions import ConditionsRecorder
from nc_trainer.benchmark.cores import Placement
from nc_trainer.benchmark.machine import describe_machine
from nc_trainer.benchmark.measure import check_batches
from nc_trainer.benchmark.options import BenchmarkOptions
from nc_trainer.benchmark.processes import THREAD_VARIABLES, Child, started
from nc_trainer.benchmark.report import BenchmarkReport, Settings
from nc_trainer.benchmark.sources import ModelSource, write_batches
from nc_trainer.benchmark.timing import check_counts, turns
from nc_trainer.benchmark.workload import AS_COLLATED, describe_workload

MODULE = "nc_trainer.benchmark.instance_process"


def benchmark_instances(
    sources: Mapping[str, ModelSource],
    batches: Sequence[Mapping[str, Tensor]],
    placement: Placement,
    options: BenchmarkOptions,
    facts: Facts | None = None,
    lengths: str = AS_COLLATED,
) -> BenchmarkReport:
    """Time the forward pass of every model in every instance, in interleaved rounds.

    Each instance is a process of its own that loads all models and is given the same batches. All of them begin each
    call together and compute the same model, so none is timed beside a lighter neighbour; then comes the next model.

    Args:
        sources: what to time, by name; the first is what the others are compared with.
        batches: collated batches on the CPU, without labels.
        placement: the cores of each instance.
        options: warm-up and rounds; threads, which are the cores of an instance unless said otherwise.
        facts: scores, sizes and footprints, for the record.
        lengths: what was done to the batches, one of `workload.LENGTHS`, for the record.

    Raises:
        NCTrainerError: nothing to time, a count out of range, or a process that failed.
    """
    check_batches(batches, options.iterations)
    rounds = options.iterations or len(batches)
    check_counts(sources, options.warmup, rounds)
    threads = options.threads or placement.cores_per_instance
    variables = {**dict.fromkeys(THREAD_VARIABLES, str(threads)), **options.environment}
    with TemporaryDirectory() as folder:
        path = Path(folder, "batches.safetensors")
        write_batches(batches, path)
        job = {
            "models": {name: source.to_dict() for name, source in sources.items()},
            "batches": str(path),
            "threads": threads,
            "interop_threads": options.interop_threads,
        }
        recorder = ConditionsRecorder()
        with started(MODULE, [job] * len(placement.cores), placement.cores, variables) as children:
            ready = [child.receive() for child in children]
            series = time_together(children, list(sources), len(batches), warmup=options.warmup, iterations=rounds)
    workload = describe_workload([batches[number % len(batches)] for number in range(rounds)], lengths)
    settings = Settings(options.warmup, rounds, instances=tuple(tuple(answer["cores"]) for answer in ready))
    machine = replace(describe_machine(ready[0]["engine"]), threads=ready[0]["threads"])
    return assemble(series, workload, facts or Facts.of(sources), machine, settings, recorder.conditions())


def time_together(
    children: Sequence[Child], names: Sequence[str], batches: int, *, warmup: int, iterations: int
) -> dict[str, list[list[float]]]:
    """Seconds by model, [instances][rounds]: as `time_interleaved`, but every call in all children at once."""
    series: dict[str, list[list[float]]] = {name: [[] for _ in children] for name in names}
    for number in range(warmup):
        for name in turns(names, number):
            _call(children, name, number % batches)
    for number in range(iterations):
        for name in turns(names, number):
            for calls, seconds in zip(series[name], _call(children, name, number % batches), strict=True):
                calls.append(seconds)
    return series


def _call(children: Sequence[Child], name: str, batch: int) -> list[float]:
    """The seconds of one call in each child. All wait for this request, which is the barrier."""
    for child in children:
        child.send({"model": name, "batch": batch})
    return [child.receive()["seconds"] for child in children]
