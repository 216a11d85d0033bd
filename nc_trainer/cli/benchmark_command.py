"""`nc-trainer benchmark`"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from nc_trainer.benchmark import BenchmarkOptions, BenchmarkReport, compare_reports
from nc_trainer.benchmark.contenders import Contender, check_dtypes, in_dtypes, time_contenders
from nc_trainer.benchmark.lengths import with_lengths
from nc_trainer.cli.text_job import Job, make_trainer
from nc_trainer.errors import NCTrainerError
from nc_trainer.trainer import QuantizationTrainer
from nc_trainer.trainer.batches import evaluation_batches


def benchmark(
    job: Job, others: Sequence[Path], dtypes: Sequence[str], options: BenchmarkOptions, outputs: Sequence[Path]
) -> int:
    """Time the job's model and the others on the same batches, side by side; print the report and save it.

    Args:
        job: the model that the others are compared with, and the rows.
        others: directories of more models.
        dtypes: in which float models are timed.
        options: how to measure.
        outputs: files for the report, JSON or CSV.
    """
    options.placement  # noqa: B018 - raises now, not after an evaluation
    check_dtypes(dtypes)
    directories = _named([job.model_dir, *others])
    trainers = {name: make_trainer(replace(job, model_dir=path)) for name, path in directories.items()}
    contenders: list[Contender] = []
    scores: dict[str, tuple[str, float]] = {}
    for name, trainer in trainers.items():
        named = partial(_line, name, only_float32=list(dtypes) == ["float32"])
        states = in_dtypes(named, trainer.model, dtypes, str(directories[name]))
        scores |= {state.name: _score(trainer, state) for state in states}
        contenders += states
    first = next(iter(trainers.values()))
    batches, lengths = with_lengths(
        evaluation_batches(first, None, options.iterations or None), options, first.model.config, _padding_side(first)
    )
    report = time_contenders(contenders, batches, options, scores, lengths)
    print(report)
    for path in outputs:
        report.save(path)
    return 0


def compare(before: Path, after: Path) -> int:
    """Set two saved reports against each other and print what can be said; 1 when they are not comparable."""
    comparison = compare_reports(BenchmarkReport.load(before), BenchmarkReport.load(after))
    print(comparison)
    return 0 if comparison.comparable else 1


def _line(directory: str, precision: str, *, only_float32: bool) -> str:
    return directory if only_float32 or precision == "int8" else f"{directory} {precision}"


def _score(trainer: QuantizationTrainer, state: Contender) -> tuple[str, float]:
    state.enter()
    return trainer.score()


def _padding_side(trainer: QuantizationTrainer) -> str:
    return str(getattr(trainer.processing_class, "padding_side", "right"))


def _named(directories: Sequence[Path]) -> dict[str, Path]:
    """By directory name, or by whole path where names are not unique."""
    for names in ([path.resolve().name for path in directories], [str(path) for path in directories]):
        if len(set(names)) == len(names):
            return dict(zip(names, directories, strict=True))
    raise NCTrainerError(f"A directory is named twice: {', '.join(names)}.")
