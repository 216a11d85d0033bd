"""Evaluating trials with the user's own Trainer: its dataloaders, its `compute_metrics`, its overrides."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PrinterCallback, ProgressCallback, Trainer
from transformers.trainer_utils import EvalPrediction

from nc_trainer.errors import QuantizationError
from nc_trainer.tuning import Evaluation

PREFIX = "trial"
SPEED_METRICS = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")


class TrainerEvaluator:
    """Calls `trainer.evaluate` under the prefix `trial` and keeps what reaches `compute_metrics`.

    Args:
        trainer: its model is evaluated as it stands.
        eval_dataset: what to evaluate on; None is the trainer's own.
    """

    def __init__(self, trainer: Trainer, eval_dataset: Any = None) -> None:
        self.trainer = trainer
        self.eval_dataset = eval_dataset

    def __call__(self) -> Evaluation:
        """Evaluate once.

        Raises:
            QuantizationError: the evaluation returned no number.
        """
        started = time.monotonic()
        with _captured_predictions(self.trainer) as captured:
            metrics = self.trainer.evaluate(self.eval_dataset, metric_key_prefix=PREFIX)
        found = _plain(metrics)
        if not found:
            raise QuantizationError(
                "The evaluation returned no metric: give the trainer `compute_metrics`, or labels for a loss."
            )
        return Evaluation(found, time.monotonic() - started, captured.get("predictions"), captured.get("labels"))


@contextmanager
def without_progress_bars(trainer: Trainer) -> Iterator[None]:
    """Take Trainer's own bars and printed logs away: the search shows one line of its own."""
    removed = [trainer.pop_callback(kind) for kind in (ProgressCallback, PrinterCallback)]
    try:
        yield
    finally:
        for callback in removed:
            if callback is not None:
                trainer.add_callback(callback)


@contextmanager
def _captured_predictions(trainer: Trainer) -> Iterator[dict[str, Any]]:
    captured: dict[str, Any] = {}
    original = trainer.compute_metrics
    if original is None or trainer.args.batch_eval_metrics:
        yield captured
        return

    def capture(prediction: EvalPrediction, *args: Any, **kwargs: Any) -> dict[str, float]:
        captured["predictions"], captured["labels"] = prediction.predictions, prediction.label_ids
        return original(prediction, *args, **kwargs)

    trainer.compute_metrics = capture
    try:
        yield captured
    finally:
        trainer.compute_metrics = original


def _plain(metrics: dict[str, Any]) -> dict[str, float]:
    """Numbers under their names without the prefix, and without how long it took."""
    plain = {key.removeprefix(f"{PREFIX}_"): value for key, value in metrics.items()}
    return {
        key: float(value)
        for key, value in plain.items()
        if isinstance(value, (int, float)) and not key.endswith(SPEED_METRICS)
    }
