"""Evaluating trials with the user's own Trainer: its dataloaders, its `compute_metrics`, its overrides."""

import inspect
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from transformers import Trainer, TrainerCallback

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.called_forward import call_for_forward
from nc_trainer.int8.output_logits import nan_noticed
from nc_trainer.search import Evaluation, Watch, predicted_classes
from nc_trainer.search.metric_values import described, numbers_among
from nc_trainer.trainer.captured_predictions import CapturedPredictions, as_arrays, captured_predictions
from nc_trainer.trainer.contained_model import contained_model
from nc_trainer.trainer.evaluators import evaluators_write_nothing, primary_metric
from nc_trainer.trainer.repeatable import on_evaluate_kept_quiet, same_random_state
from nc_trainer.trainer.unknown_labels import unknown_labels_named

PREFIX = "eval_"
NOT_METRICS = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time", "epoch")


class TrainerEvaluator:
    """Calls `trainer.evaluate` as a user does and keeps what reaches `compute_metrics`.

    Callbacks are not told that it has ended, and every evaluation begins in the same random state.

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
            QuantizationError: the evaluation returned no number, or the model's logits are none.
        """
        watch = watch or Watch()
        started = time.monotonic()
        with ExitStack() as hooks:
            hooks.enter_context(unknown_labels_named(self.trainer, self.eval_dataset))
            hooks.enter_context(same_random_state(self.trainer))
            hooks.callback(call_for_forward(contained_model(self.trainer.model)))
            hooks.enter_context(on_evaluate_kept_quiet(self.trainer))
            hooks.enter_context(evaluators_write_nothing(self.trainer))
            captured = hooks.enter_context(captured_predictions(self.trainer))
            rows = hooks.enter_context(_watched_rows(self.trainer, watch))
            nan_was_seen = hooks.enter_context(nan_noticed(contained_model(self.trainer.model)))
            hooks.enter_context(_stopping(self.trainer, watch))
            try:
                metrics = self._evaluate()
            except _Stopped:
                return Evaluation({}, time.monotonic() - started, complete=False)
        seconds = time.monotonic() - started
        if nan_was_seen():
            raise QuantizationError(
                "The model's logits are not a number (NaN) in some evaluation rows: look for NaN in its weights and "
                "in the rows."
            )
        found, unusable = self._numbers(metrics, captured)
        primary = primary_metric(self.trainer, found)
        if captured is None:
            return Evaluation(found, seconds, unusable=unusable, primary=primary)
        return Evaluation(
            metrics=found,
            seconds=seconds,
            predictions=captured.predictions,
            labels=captured.labels,
            visible=rows.are_those_of(captured),
            unusable=unusable,
            primary=primary,
        )

    def _evaluate(self) -> Any:
        """Without arguments that an overridden method may not have: the prefix is Trainer's own, `eval`."""
        if self.eval_dataset is None:
            return self.trainer.evaluate()
        if not inspect.signature(self.trainer.evaluate).parameters:
            raise QuantizationError(
                f"{type(self.trainer).__name__}.evaluate() takes no data set: leave `eval_dataset` out, or let it "
                "take one. A sequential test (`tuning.early_stopping.error_rate`) needs one too, for another order."
            )
        return self.trainer.evaluate(self.eval_dataset)

    def _numbers(self, metrics: Any, captured: CapturedPredictions | None) -> tuple[dict[str, float], dict[str, str]]:
        """Numbers under their names without the prefix, and what is none."""
        if not isinstance(metrics, Mapping):
            raise QuantizationError(
                f"The evaluation returned {described(metrics)}, expected a dictionary of numbers by name."
            )
        found, unusable = numbers_among({key.removeprefix(PREFIX): value for key, value in metrics.items()})
        found = {name: value for name, value in found.items() if not self._is_no_metric(name)}
        if captured is not None and not unusable and all(name.endswith("loss") for name in found):
            unusable = {"compute_metrics": self._why_no_metric(captured)}
        if not found and not unusable:
            raise QuantizationError(
                "The evaluation returned no metric: give the trainer `compute_metrics`, or labels for a loss."
            )
        return found, unusable

    def _why_no_metric(self, captured: CapturedPredictions) -> str:
        if captured.calls:
            return "returned no number"
        if self.trainer.args.prediction_loss_only:
            return "is not called, because `prediction_loss_only` is set"
        return f"was not called: there are no rows, no logits, or no labels by the name of {self.trainer.label_names}"

    def _is_no_metric(self, name: str) -> bool:
        """Whether it is a time or a use of memory, which Trainer adds, for each data set if there are several."""
        sets = evaluation_set_names(self.trainer, self.eval_dataset)
        plain = [name, *(name.removeprefix(f"{one}_") for one in sets)]
        return any(one in NOT_METRICS or one.startswith(("mem_", "init_mem_", "before_init_mem_")) for one in plain)


def evaluation_set_names(trainer: Trainer, dataset: Any) -> list[str]:
    """What the names of metrics begin with where there is a dictionary of evaluation sets; else nothing.

    Args:
        trainer: has evaluation data.
        dataset: stands in for them; None takes them.
    """
    given = trainer.eval_dataset if dataset is None else dataset
    return list(given) if isinstance(given, dict) else []


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
class _Rows:
    """What was seen batch by batch: classes [rows] and labels [rows] of each, None where a batch shows none."""

    classes: list[np.ndarray | None] = field(default_factory=list)
    labels: list[np.ndarray | None] = field(default_factory=list)

    def are_those_of(self, captured: CapturedPredictions) -> bool:
        """Whether `compute_metrics` got exactly these rows, in this order, in one call."""
        if captured.calls != 1:
            return False
        classes = predicted_classes(captured.predictions, captured.labels)
        return _joins_to(self.classes, classes) and _joins_to(self.labels, captured.labels)


@contextmanager
def _watched_rows(trainer: Trainer, watch: Watch) -> Iterator[_Rows]:
    """Logits and labels pass through `preprocess_logits_for_metrics` on their way to `compute_metrics`."""
    rows = _Rows()
    original = trainer.preprocess_logits_for_metrics

    def look(logits: Any, labels: Any) -> Any:
        logits = logits if original is None else original(logits, labels)
        known = _array(labels)
        classes, found = _rows_of(predicted_classes(_array(logits), known)), _rows_of(known)
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
    first = as_arrays(value[0] if isinstance(value, (tuple, list)) and value else value)
    return first if isinstance(first, np.ndarray) else None


def _rows_of(ids: np.ndarray | None) -> np.ndarray | None:
    """One integer per row, or None."""
    return ids if ids is not None and ids.ndim == 1 and np.issubdtype(ids.dtype, np.integer) else None


def _joins_to(batches: list[np.ndarray | None], whole: Any) -> bool:
    parts = [batch for batch in batches if batch is not None]
    if not parts or len(parts) != len(batches) or not isinstance(whole, np.ndarray):
        return False
    return np.array_equal(np.concatenate(parts), whole)
