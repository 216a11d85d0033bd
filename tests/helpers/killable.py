"""A search with trials that stop early and trials in both float dtypes, to be killed at a batch of an evaluation.

As a program: `python -m helpers.killable DIRECTORY BATCH` kills itself with SIGKILL after so many batches.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from helpers.tiny import sensitive_bert, tiny_trainer, token_rows, with_labels_of
from transformers import TrainerCallback

from nc_trainer import TuningConfig
from nc_trainer.report.result import QuantizationResult

CONFIG = {
    "tuning": {
        "strategy": {"name": "exhaustive"},
        "accuracy_criterion": {"absolute": 0.05},
    }
}


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


if __name__ == "__main__":
    search(Path(sys.argv[1]), KilledAtBatch(int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL)))
