"""Time models on the same batches, side by side."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count

import torch
from torch import Tensor, nn

from nc_trainer.benchmark.assemble import Facts, assemble
from nc_trainer.benchmark.conditions import ConditionsRecorder
from nc_trainer.benchmark.footprint import Footprint
from nc_trainer.benchmark.machine import describe_machine
from nc_trainer.benchmark.options import BenchmarkOptions
from nc_trainer.benchmark.report import BenchmarkReport, Settings
from nc_trainer.benchmark.timing import time_interleaved
from nc_trainer.benchmark.workload import AS_COLLATED, describe_workload
from nc_trainer.errors import NCTrainerError


def benchmark_models(
    models: Mapping[str, nn.Module],
    batches: Sequence[Mapping[str, Tensor]],
    *,
    warmup: int = 5,
    iterations: int = 100,
    engine: str | None = None,
    metric_name: str | None = None,
    metric_values: Mapping[str, float] | None = None,
    file_sizes_mb: Mapping[str, float] | None = None,
    footprints: Mapping[str, Footprint] | None = None,
    threads: int | None = None,
) -> BenchmarkReport:
    """Time the forward pass of every model on the same batches, in interleaved rounds.

    The models run in eval mode under `torch.inference_mode()`; afterwards each module has the mode it
    had. Round i gives batch `i % len(batches)` to every model as keyword arguments; the warm-up counts
    its rounds anew.

    Args:
        models: what to time, by name; the first is what the others are compared with.
        batches: collated batches on the CPU, without labels (with labels the loss would be timed too).
        warmup: untimed rounds, 0 or more.
        iterations: timed rounds; 0 means one pass over all batches.
        engine: name of the int8 engine in use, for the record.
        metric_name: what `metric_values` are, for example "accuracy".
        metric_values: a score per model name, measured by the caller; may name only some of the models.
        file_sizes_mb: size on disk per model name, in MB (10^6 bytes); may name only some of the models.
        footprints: memory and load time per model name; may name only some of the models.
        threads: of torch meanwhile; None leaves them as they are.

    Raises:
        NCTrainerError: no models, no batches, a count out of range, something that is not on the CPU, or a
            score, size or footprint for a model that is not there.
    """
    facts = Facts.of(models, metric_name, metric_values, file_sizes_mb, footprints)
    options = BenchmarkOptions(warmup=warmup, iterations=iterations, threads=threads)
    return benchmark_here(models, batches, options, facts, engine=engine)


def benchmark_here(
    models: Mapping[str, nn.Module],
    batches: Sequence[Mapping[str, Tensor]],
    options: BenchmarkOptions,
    facts: Facts,
    *,
    engine: str | None = None,
    lengths: str = AS_COLLATED,
    before: Callable[[str], object] = lambda name: None,
) -> BenchmarkReport:
    """What `benchmark_models` does, in this process.

    Args:
        models: as there. Two names may have the same model, put into another state by `before`.
        batches: as there.
        options: warm-up, rounds and threads.
        facts: scores, sizes and footprints, for the record.
        engine: name of the int8 engine in use, for the record.
        lengths: what was done to the batches, one of `workload.LENGTHS`, for the record.
        before: called with the name ahead of each call, off the clock.

    Raises:
        NCTrainerError: as there.
    """
    iterations, warmup = options.iterations, options.warmup
    check_batches(batches, iterations)
    _check_on_cpu(models, batches)
    rounds = iterations or len(batches)
    runs = {name: _run(model, batches, warmup) for name, model in models.items()}
    with using_threads(options.threads), evaluation_mode(models.values()), torch.inference_mode():
        recorder = ConditionsRecorder()
        seconds = time_interleaved(runs, warmup=warmup, iterations=rounds, before=before)
        conditions, machine = recorder.conditions(), describe_machine(engine)
    return assemble(
        {name: [series] for name, series in seconds.items()},
        describe_workload([batches[number % len(batches)] for number in range(rounds)], lengths),
        facts,
        machine,
        Settings(warmup=warmup, iterations=rounds),
        conditions,
    )


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Let torch compute with so many threads, and with as many as before afterwards; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def evaluation_mode(models: Iterable[nn.Module]) -> Iterator[None]:
    """Put the models in eval mode; afterwards every one of their modules has the mode it had."""
    models = list(models)
    training = {module: module.training for model in models for module in model.modules()}
    try:
        for model in models:
            model.eval()
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


def _run(model: nn.Module, batches: Sequence[Mapping[str, Tensor]], warmup: int) -> Callable[[], object]:
    numbers = chain(range(warmup), count())
    return lambda: model(**batches[next(numbers) % len(batches)])


def check_batches(batches: Sequence[Mapping[str, Tensor]], iterations: int) -> None:
    """Raise an NCTrainerError for what cannot be timed."""
    if not batches:
        raise NCTrainerError("There are no batches to time the models on; give at least one.")
    if iterations < 0:
        raise NCTrainerError(
            f"iterations is {iterations}; expected a number of rounds, or 0 for one pass over all batches."
        )


def _check_on_cpu(models: Mapping[str, nn.Module], batches: Sequence[Mapping[str, Tensor]]) -> None:
    for what, tensor in chain(_model_tensors(models), _batch_tensors(batches)):
        if tensor.device.type != "cpu":
            raise NCTrainerError(
                f"{what} is on {tensor.device}; only the CPU can be timed here. Move it with .to('cpu')."
            )


def _model_tensors(models: Mapping[str, nn.Module]) -> Iterator[tuple[str, Tensor]]:
    for name, model in models.items():
        for key, tensor in chain(model.named_parameters(), model.named_buffers()):
            yield f"{key!r} of model {name!r}", tensor


def _batch_tensors(batches: Sequence[Mapping[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    for number, batch in enumerate(batches):
        for key, value in batch.items():
            if isinstance(value, Tensor):
                yield f"{key!r} of batch {number}", value
