"""A search with trials that stop early and trials in both float dtypes, to be killed at a batch of an evaluation."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from helpers.tiny import sensitive_bert, tiny_trainer, token_rows, with_labels_of
from transformers import TrainerCallback

from nc_trainer import TuningConfig
from nc_trainer.report.result import QuantizationResult
from nc_trainer.search import Trial

PER_EVALUATION = 16
"""Batches of one evaluation of all rows."""

CONFIG = {
    "tuning": {
        "strategy": {"name": "exhaustive"},
        "accuracy_criterion": {"absolute": 0.05},
    }
}


class Counted(TrainerCallback):
    """How many batches were evaluated."""

    def __init__(self) -> None:
        self.batches = 0

    def on_prediction_step(self, *args: Any, **kwargs: Any) -> None:
        self.batches += 1


class KilledAtBatch(TrainerCallback):
    """Calls `kill` after so many evaluated batches."""

    def __init__(self, batches: int, kill: Callable[[], None]) -> None:
        self.left = batches
        self.kill = kill

    def on_prediction_step(self, *args: Any, **kwargs: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self.kill()


def search(directory: Path, callback: TrainerCallback) -> QuantizationResult:
    """64 rows in batches of 4, on a CPU that has bfloat16, whether or not this one has."""
    model = sensitive_bert()
    trainer = tiny_trainer(
        directory,
        model,
        eval_dataset=with_labels_of(model, token_rows(64)),
        arguments={"per_device_eval_batch_size": 4},
        callbacks=[callback],
    )
    with mock.patch("nc_trainer.search.start.float_dtype", return_value="bfloat16"):
        return trainer.quantize(TuningConfig.from_dict(CONFIG))


def recorded(result: QuantizationResult) -> list[tuple[Any, ...]]:
    """Of each trial what does not depend on the clock."""
    return [
        (trial.number, trial.recipe, trial.state, trial.value, trial.low, trial.high, trial.share, trial.flips)
        for trial in result.trials
    ]


def batches_kept(trials: Sequence[Trial], batches: int) -> int:
    """How many batches need no repeating when so many were evaluated: those of the float model and finished trials."""
    used = PER_EVALUATION
    for trial in trials:
        cost = round(trial.share * PER_EVALUATION)
        if used + cost > batches:
            break
        used += cost
    return used
