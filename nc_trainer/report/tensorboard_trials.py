"""A trial as flat numbers, for loggers, and TensorBoard files of them."""

from pathlib import Path
from types import TracebackType
from typing import Any

from nc_trainer.errors import ConfigError
from nc_trainer.search import Trial

PREFIX = "trial/"


def trial_numbers(trial: Trial) -> dict[str, float]:
    """What is known about a finished trial, under names that begin with `trial/`; one that failed or
    was stopped early has no metrics."""
    known: dict[str, float | None] = {
        "number": trial.number,
        "accepted": float(trial.accepted),
        "int8_modules": len(trial.recipe.quantized),
        "seconds": trial.seconds,
        "share": trial.share,
        "low": trial.low,
        "high": trial.high,
        "flips": trial.flips,
        "logits_error": trial.logits_error,
        **trial.metrics,
        **trial.objectives,
    }
    return {PREFIX + name: value for name, value in known.items() if value is not None}


class TensorBoardTrials:
    """Writes the numbers of every trial to TensorBoard's files, the trial's number being the step.

    Args:
        directory: where the files go; made if absent.

    Raises:
        ConfigError: the package `tensorboard` is not installed.
    """

    def __init__(self, directory: Path) -> None:
        self._writer = _summary_writer()(log_dir=str(directory))

    def __enter__(self) -> "TensorBoardTrials":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def __call__(self, trial: Trial) -> None:
        """Write one trial; it is in the file when this returns."""
        for name, value in trial_numbers(trial).items():
            self._writer.add_scalar(name, value, global_step=trial.number)
        self._writer.flush()


def check_tensorboard() -> None:
    """Raise a ConfigError if TensorBoard's files cannot be written here."""
    _summary_writer()


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            f"`tuning.tensorboard`: the package tensorboard cannot be imported ({error}): "
            "`pip install tensorboard`, or leave the key out."
        ) from None
    return SummaryWriter
