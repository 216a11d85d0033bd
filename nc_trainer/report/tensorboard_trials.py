"""The numbers of trials in TensorBoard's files."""

from pathlib import Path
from typing import Any

import numpy as np

from nc_trainer.errors import ConfigError
from nc_trainer.report.trial_numbers import trial_numbers
from nc_trainer.search import Trial
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.listener import Listener


class TensorBoardTrials(Listener):
    """Writes the numbers of every trial to TensorBoard's files, the trial's number being the step.

    Args:
        directory: where the files go; made when the trials begin, if absent.

    Raises:
        ConfigError: the package `tensorboard` is not installed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writer_class = _summary_writer()

    def on_begin(self, reference: Reference, expected_trials: int) -> None:
        """Open the files."""
        self._writer = self._writer_class(log_dir=str(self._directory))

    def on_end(self) -> None:
        """Close them."""
        self._writer.close()

    def on_trial(self, trial: Trial, classes: np.ndarray | None) -> None:
        """Write one trial; it is in the file when this returns."""
        for name, value in trial_numbers(trial).items():
            self._writer.add_scalar(name, value, global_step=trial.number)
        self._writer.flush()


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            f"`tuning.tensorboard`: the package tensorboard cannot be imported ({error}): "
            "`pip install tensorboard`, or leave the key out."
        ) from None
    return SummaryWriter
