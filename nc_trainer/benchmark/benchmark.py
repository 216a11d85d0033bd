"""Time models on the same batches, side by side."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count

import torch
from torch import Tensor, nn

from nc_trainer.benchmark.machine import describe_machine
from nc_trainer.benchmark.report import BenchmarkReport, ModelTiming, Settings
from nc_trainer.benchmark.statistics import compare
from nc_trainer.benchmark.timing import time_interleaved
from nc_trainer.benchmark.workload import Workload, describe_workload
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

    Raises:
        NCTrainerError: no models, no batches, a negative count, something that is not on the CPU, or a
            score or size for a model that is not there.
    """
    scores = {name: float(value) for name, value in (metric_values or {}).items()}
    sizes = {name: float(value) for name, value in (file_sizes_mb or {}).items()}
    _check_batches(batches, iterations)
    _check_on_cpu(models, batches)
    _check_names("metric_values", scores, models)
    _check_names("file_sizes_mb", sizes, models)
    if scores and metric_name is None:
        raise NCTrainerError("metric_values were given without metric_name; say what they measure.")

    rounds = iterations or len(batches)
    workload = describe_workload([batches[number % len(batches)] for number in range(rounds)])
    runs = {name: _run(model, batches, warmup) for name, model in models.items()}
    with evaluation_mode(models.values()), torch.inference_mode():
        seconds = time_interleaved(runs, warmup=warmup, iterations=rounds)
    timings = tuple(
        _timing(name, seconds[name], workload, metric_name, scores.get(name), sizes.get(name)) for name in models
    )
    return BenchmarkReport(
        models=timings,
        comparisons=tuple(
            compare(timings[0].name, timings[0].latencies_s, other.name, other.latencies_s) for other in timings[1:]
        ),
        workload=workload,
        machine=describe_machine(engine),
        settings=Settings(warmup=warmup, iterations=rounds),
    )


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


def _timing(
    name: str,
    seconds: Sequence[float],
    workload: Workload,
    metric_name: str | None,
    metric_value: float | None,
    file_size_mb: float | None,
) -> ModelTiming:
    return ModelTiming(
        name=name,
        batch_size=workload.batch_size_max,
        samples=workload.samples,
        latencies_s=tuple(seconds),
        metric_name=None if metric_value is None else metric_name,
        metric_value=metric_value,
        file_size_mb=file_size_mb,
    )


def _check_batches(batches: Sequence[Mapping[str, Tensor]], iterations: int) -> None:
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


def _check_names(argument: str, given: Mapping[str, float], models: Mapping[str, nn.Module]) -> None:
    unknown = sorted(set(given) - set(models))
    if unknown:
        raise NCTrainerError(f"{argument} names {unknown}, which are not timed; the models are {list(models)}.")
