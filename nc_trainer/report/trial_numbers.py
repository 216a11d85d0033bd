"""A trial as flat numbers, for whatever logs numbers."""

from collections.abc import Callable

import numpy as np

from nc_trainer.search import Trial
from nc_trainer.search.listener import Listener

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
        "lost_recall": trial.lost_recall,
        "logits_error": trial.logits_error,
        **trial.metrics,
        **trial.objectives,
    }
    return {PREFIX + name: value for name, value in known.items() if value is not None}


class TrialLogs(Listener):
    """Gives the numbers of every trial to a function, such as a Trainer's `log`."""

    def __init__(self, log: Callable[[dict[str, float]], None]) -> None:
        self.log = log

    def on_trial(self, trial: Trial, classes: np.ndarray | None) -> None:
        """Log one trial."""
        self.log(trial_numbers(trial))
