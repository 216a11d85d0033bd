"""`nc-trainer benchmark`"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nc_trainer.benchmark import benchmark_models
from nc_trainer.calibration.batches import evaluation_batches
from nc_trainer.commands.setup import Job, make_trainer
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import describe_engine


def benchmark(job: Job, others: Sequence[Path], warmup: int, iterations: int, output: Path | None) -> int:
    """Time the job's model and the others on the same batches, side by side, and print the report."""
    directories = [job.model_dir, *others]
    names = _names(directories)
    trainers = {
        name: make_trainer(replace(job, model_dir=path)) for name, path in zip(names, directories, strict=True)
    }
    scores = {name: trainer.score() for name, trainer in trainers.items()}
    first = next(iter(trainers.values()))
    report = benchmark_models(
        {name: trainer.model for name, trainer in trainers.items()},
        evaluation_batches(first, None, iterations or None),
        warmup=warmup,
        iterations=iterations,
        engine=describe_engine(*(trainer.model for trainer in trainers.values())),
        metric_name=next(iter(scores.values()))[0],
        metric_values={name: value for name, (_, value) in scores.items()},
        file_sizes_mb={name: _weights_mb(path) for name, path in zip(names, directories, strict=True)},
    )
    print(report)
    if output is not None:
        report.save(output)
    return 0


def _names(directories: Sequence[Path]) -> list[str]:
    """Directory names, or whole paths where those are not unique."""
    names = [path.resolve().name for path in directories]
    if len(set(names)) == len(names):
        return names
    names = [str(path) for path in directories]
    if len(set(names)) < len(names):
        raise NCTrainerError(f"A directory is named twice: {', '.join(names)}.")
    return names


def _weights_mb(directory: Path) -> float:
    return sum(file.stat().st_size for file in directory.glob("*.safetensors")) / 1e6
