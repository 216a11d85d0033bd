"""Models, and states of one model, that are timed against each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from transformers import PreTrainedModel

from nc_trainer.benchmark.assemble import Facts
from nc_trainer.benchmark.footprint import measure_footprint
from nc_trainer.benchmark.instances import benchmark_instances
from nc_trainer.benchmark.measure import benchmark_here
from nc_trainer.benchmark.options import BenchmarkOptions
from nc_trainer.benchmark.report import BenchmarkReport
from nc_trainer.benchmark.sources import FLOAT_DTYPES, SHORT_NAMES, ModelSource, weights_mb
from nc_trainer.benchmark.workload import AS_COLLATED
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import describe_engine
from nc_trainer.int8.float_parts import FloatParts
from nc_trainer.int8.quantize import is_int8


@dataclass(frozen=True)
class Contender:
    """One line of a benchmark.

    Attributes:
        name: of the line.
        model: which may be that of other lines too, in other states.
        enter: puts the model into the state that is timed.
        leave: makes the model what it was before all.
        directory: where the model is on disk, None when it is nowhere.
        dtype: in which another process is to load it, if it is a float model.
    """

    name: str
    model: PreTrainedModel
    enter: Callable[[], object] = lambda: None
    leave: Callable[[], object] = lambda: None
    directory: str | None = None
    dtype: str = "float32"

    def save(self, directory: Path) -> None:
        """Write the model to a directory, for other processes."""
        self.enter()
        self.model.save_pretrained(directory)


def in_dtypes(
    named: Callable[[str], str], model: PreTrainedModel, dtypes: Sequence[str], directory: str | None
) -> list[Contender]:
    """A float model in each of `dtypes`, by casting its tensors to and fro; an int8 model as it is.

    Args:
        named: from `fp32`, `bf16` or `int8` to the name of the line.
        model: changed by `enter` and restored by `leave`.
        dtypes: of FLOAT_DTYPES, at least one.
        directory: where the model is on disk.

    Raises:
        NCTrainerError: a dtype is not known.
    """
    check_dtypes(dtypes)
    if is_int8(model):
        return [Contender(named("int8"), model, directory=directory)]
    parts = FloatParts(model)
    return [
        Contender(
            name=named(SHORT_NAMES[dtype]),
            model=model,
            enter=partial(parts.cast, getattr(torch, dtype)),
            leave=parts.restore,
            directory=directory,
            dtype=dtype,
        )
        for dtype in dtypes
    ]


def check_dtypes(dtypes: Sequence[str]) -> None:
    """Raise an NCTrainerError unless they are one or more of FLOAT_DTYPES, each once."""
    if not dtypes or len(set(dtypes)) < len(dtypes) or not set(dtypes) <= set(FLOAT_DTYPES):
        raise NCTrainerError(
            f"The float model's dtypes are {list(dtypes)}; expected {' or '.join(FLOAT_DTYPES)}, or both."
        )


def time_contenders(
    contenders: Sequence[Contender],
    batches: Sequence[Mapping[str, Tensor]],
    options: BenchmarkOptions,
    scores: Mapping[str, tuple[str, float]],
    lengths: str = AS_COLLATED,
) -> BenchmarkReport:
    """Time all of them as the options say; the first is what the others are compared with.

    Args:
        contenders: with different names.
        batches: collated batches on the CPU, without labels.
        options: with instances or memory, models that are in no directory are written to a temporary one.
        scores: the metric's name and value by contender.
        lengths: what was done to the batches, one of `workload.LENGTHS`.

    Raises:
        NCTrainerError: something cannot be timed as asked.
    """
    placement = options.placement
    with _sources(contenders, temporary=options.memory or placement is not None) as sources:
        footprints = {
            name: measure_footprint(source, batches, threads=options.threads)
            for name, source in sources.items()
            if options.memory
        }
        facts = Facts.of(
            [contender.name for contender in contenders],
            next((name for name, _ in scores.values()), None),
            {contender: value for contender, (_, value) in scores.items()},
            {name: weights_mb(source.directory) for name, source in sources.items() if source.dtype == "float32"},
            footprints,
        )
        if placement is not None:
            return benchmark_instances(sources, batches, placement, options, facts, lengths)
    enter = {contender.name: contender.enter for contender in contenders}
    return benchmark_here(
        {contender.name: contender.model for contender in contenders},
        batches,
        options,
        facts,
        engine=describe_engine(*(contender.model for contender in contenders)),
        lengths=lengths,
        before=lambda name: enter[name](),
    )


@contextmanager
def _sources(contenders: Sequence[Contender], *, temporary: bool) -> Iterator[dict[str, ModelSource]]:
    """Where each model is on disk; with `temporary`, those that are nowhere are written to a directory meanwhile."""
    with TemporaryDirectory() as folder:
        found = {}
        for number, contender in enumerate(contenders):
            directory = contender.directory
            if directory is None and temporary:
                directory = str(Path(folder, str(number)))
                contender.save(Path(directory))
            if directory is not None:
                found[contender.name] = ModelSource(directory, contender.dtype)
        yield found
