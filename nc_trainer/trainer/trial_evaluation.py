"""Evaluating trials with the user's own Trainer: its dataloaders, its `compute_metrics`, its overrides."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import EvalPrediction

from nc_trainer.errors import QuantizationError
from nc_trainer.search import Evaluation, Watch, predicted_classes

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

    def __call__(self, watch: Watch | None = None) -> Evaluation:
        """Evaluate once, or until `watch` says that it is enough.

        Raises:
            QuantizationError: the evaluation returned no number.
        """
        watch = watch or Watch()
        started = time.monotonic()
        with ExitStack() as hooks:
            captured = hooks.enter_context(_captured_predictions(self.trainer))
            rows = hooks.enter_context(_watched_rows(self.trainer, watch))
            hooks.enter_context(_stopping(self.trainer, watch))
            try:
                metrics = self.trainer.evaluate(self.eval_dataset, metric_key_prefix=PREFIX)
            except _Stopped:
                return Evaluation({}, time.monotonic() - started, complete=False)
        found = _plain(metrics)
        if not found:
            raise QuantizationError(
                "The evaluation returned no metric: give the trainer `compute_metrics`, or labels for a loss."
            )
        seconds = time.monotonic() - started
        return Evaluation(found, seconds, captured.predictions, captured.labels, rows.are_those_of(captured))


class _Stopped(BaseException):
    """Ends an evaluation in the middle. Not an Exception, so that a handler in an overridden method lets it pass."""


class _Stopping(TrainerCallback):
    """Asks after every batch whether to go on."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_prediction_step(self, *args: Any, eval_dataloader: Any = None, **kwargs: Any) -> None:
        if self.watch.should_stop():
            if hasattr(eval_dataloader, "end"):  # tells accelerate that this dataloader is not in use any more
                eval_dataloader.end()
            raise _Stopped


@dataclass
class _Captured:
    """What reached `compute_metrics`, the last time it was called."""

    calls: int = 0
    predictions: Any = None
    labels: Any = None


@dataclass
class _Rows:
    """What was seen batch by batch: classes [rows] and labels [rows] of each, None where a batch shows none."""

    classes: list[np.ndarray | None] = field(default_factory=list)
    labels: list[np.ndarray | None] = field(default_factory=list)

    def are_those_of(self, captured: _Captured) -> bool:
        """Whether `compute_metrics` got exactly these rows, in this order, in one call."""
        if captured.calls != 1:
            return False
        return _joins_to(self.classes, predicted_classes(captured.predictions)) and _joins_to(
            self.labels, captured.labels
        )


def shows_no_progress(args: TrainingArguments) -> bool:
    """Whether these arguments switch progress bars off, or all logs but errors."""
    return bool(args.disable_tqdm or args.get_process_log_level() >= logging.ERROR)


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
def _captured_predictions(trainer: Trainer) -> Iterator[_Captured]:
    captured = _Captured()
    original = trainer.compute_metrics
    if original is None or trainer.args.batch_eval_metrics:
        yield captured
        return

    def capture(prediction: EvalPrediction, *args: Any, **kwargs: Any) -> dict[str, float]:
        captured.calls += 1
        captured.predictions, captured.labels = prediction.predictions, prediction.label_ids
        return original(prediction, *args, **kwargs)

    trainer.compute_metrics = capture
    try:
        yield captured
    finally:
        trainer.compute_metrics = original


@contextmanager
def _watched_rows(trainer: Trainer, watch: Watch) -> Iterator[_Rows]:
    """Logits and labels pass through `preprocess_logits_for_metrics` on their way to `compute_metrics`."""
    rows = _Rows()
    original = trainer.preprocess_logits_for_metrics

    def look(logits: Any, labels: Any) -> Any:
        logits = logits if original is None else original(logits, labels)
        classes = _rows_of(predicted_classes(_array(logits)))
        found = _rows_of(_array(labels))
        rows.classes.append(classes)
        rows.labels.append(found)
        watch.see(classes, found)
        return logits

    trainer.preprocess_logits_for_metrics = look
    try:
        yield rows
    finally:
        trainer.preprocess_logits_for_metrics = original


@contextmanager
def _stopping(trainer: Trainer, watch: Watch) -> Iterator[None]:
    """Where memory is tracked, an evaluation that does not end would leave the tracker running: there is no stop."""
    if not trainer.args.skip_memory_metrics:
        yield
        return
    callback = _Stopping(watch)
    trainer.add_callback(callback)
    try:
        yield
    finally:
        trainer.remove_callback(callback)


def _array(value: Any) -> np.ndarray | None:
    first = value[0] if isinstance(value, (tuple, list)) and value else value
    if not isinstance(first, Tensor):
        return None
    return (first.float() if first.is_floating_point() else first).numpy(force=True)


def _rows_of(ids: np.ndarray | None) -> np.ndarray | None:
    """One integer per row, or None."""
    return ids if ids is not None and ids.ndim == 1 and np.issubdtype(ids.dtype, np.integer) else None


def _joins_to(batches: list[np.ndarray | None], whole: Any) -> bool:
    parts = [batch for batch in batches if batch is not None]
    if not parts or len(parts) != len(batches) or not isinstance(whole, np.ndarray):
        return False
    return np.array_equal(np.concatenate(parts), whole)


def _plain(metrics: dict[str, Any]) -> dict[str, float]:
    """Numbers under their names without the prefix, and without how long it took."""
    plain = {key.removeprefix(f"{PREFIX}_"): value for key, value in metrics.items()}
    return {
        key: float(value)
        for key, value in plain.items()
        if isinstance(value, (int, float)) and not key.endswith(SPEED_METRICS)
    }
