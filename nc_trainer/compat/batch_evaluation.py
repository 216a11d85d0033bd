"""Evaluating and calibrating without a Trainer: with a function of the user's, or with the batches of a dataloader."""

import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import SequentialSampler

from nc_trainer.benchmark.loader_batches import labelled
from nc_trainer.compat.named_metrics import Compute
from nc_trainer.errors import QuantizationError
from nc_trainer.search import Evaluation, Watch, predicted_classes

KEPT_BATCHES = 16
SCORE = "score"
"""The metric's name where `eval_func` returns a number."""


class FunctionEvaluator:
    """Calls a function with the model; what it returns is judged.

    Args:
        model: is given to the function as it stands, in evaluation mode.
        function: returns a number (the metric `score`), numbers by name, or a list of numbers.
        names: of the numbers in a list.

    Attributes:
        batches: the first inputs that the function gave to the model, at most `KEPT_BATCHES`.
    """

    def __init__(self, model: nn.Module, function: Callable[[nn.Module], Any], names: tuple[str, ...] = ()) -> None:
        self.model = model
        self.function = function
        self.names = names
        self.batches: list[dict[str, Any]] = []

    def __call__(self, watch: Watch | None = None) -> Evaluation:
        """Evaluate once; a function cannot be stopped.

        Raises:
            QuantizationError: the function returned something else.
        """
        started = time.monotonic()
        self.model.eval()
        with self._watched_inputs():
            found = self._by_name(self.function(self.model))
        return Evaluation(found, time.monotonic() - started)

    @contextmanager
    def _watched_inputs(self) -> Iterator[None]:
        names = list(inspect.signature(self.model.forward).parameters)

        def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if len(self.batches) < KEPT_BATCHES:
                given = dict(zip(names, args, strict=False)) | kwargs
                self.batches.append({name: value for name, value in given.items() if isinstance(value, Tensor)})

        handle = self.model.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def _by_name(self, result: Any) -> dict[str, float]:
        if isinstance(result, Tensor) and result.numel() == 1:
            result = result.item()
        if isinstance(result, (list, tuple)) and len(result) == len(self.names):
            result = dict(zip(self.names, result, strict=True))
        if isinstance(result, (Real, np.number)):
            return {SCORE: float(result)}
        if isinstance(result, Mapping):
            return {str(name): float(value) for name, value in result.items() if isinstance(value, (Real, np.number))}
        raise QuantizationError(
            f"eval_func returned {type(result).__name__}, expected a number, numbers by name, or a list of as many "
            f"numbers as `tuning.accuracy_criterion.multi_metrics.metrics` names ({len(self.names)})."
        )


class LoaderEvaluator:
    """Runs the model over a dataloader and computes metrics from its logits.

    Args:
        model: is evaluated as it stands.
        loader: yields mappings with labels, or pairs of inputs and labels.
        compute: from logits and labels to metrics.
    """

    def __init__(self, model: nn.Module, loader: Iterable[Any], compute: Compute) -> None:
        self.model = model
        self.loader = loader
        self.compute = compute

    @torch.no_grad()
    def __call__(self, watch: Watch | None = None) -> Evaluation:
        """Evaluate once, or until `watch` says that it is enough.

        Raises:
            QuantizationError: a batch has no labels, or there is no batch.
        """
        watch, started = watch or Watch(), time.monotonic()
        self.model.eval()
        outputs, labels = [], []
        for inputs, expected in labelled(self.model, self.loader):
            outputs.append(_logits(self.model(**inputs)))
            labels.append(np.asarray(expected))
            watch.see(predicted_classes(outputs[-1], labels[-1]), labels[-1])
            if watch.should_stop():
                return Evaluation({}, time.monotonic() - started, complete=False)
        if not outputs:
            raise QuantizationError("eval_dataloader yields no batch: there is nothing to judge on.")
        predictions, truth = np.concatenate(outputs), np.concatenate(labels)
        metrics, seconds = self.compute(predictions, truth), time.monotonic() - started
        if not self._same_order():
            return Evaluation(metrics, seconds)
        return Evaluation(metrics, seconds, predictions, truth, visible=True)

    def _same_order(self) -> bool:
        """Rows can be compared between evaluations only if they come in the same order."""
        sampler = getattr(self.loader, "sampler", None)
        return isinstance(self.loader, (list, tuple)) or isinstance(sampler, SequentialSampler)


def _logits(output: Any) -> np.ndarray:
    value = output.get("logits") if isinstance(output, Mapping) else output
    if isinstance(value, (list, tuple)):
        value = value[0]
    if not isinstance(value, Tensor):
        raise QuantizationError(f"The model returned {type(output).__name__} without `logits`: use `eval_func`.")
    return value.float().numpy()
