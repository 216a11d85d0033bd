"""What an evaluation calls the model with, where batches do not show it: a container tokenizes texts on its way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import Trainer

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.replay import rows_in
from nc_trainer.search import Evaluation, Watch
from nc_trainer.trainer.model_inputs import by_name
from nc_trainer.trainer.trial_evaluation import TrainerEvaluator

KEPT_BATCHES = 64
"""At least half as many, evenly spaced over an evaluation, are kept if it has them."""

Inputs = dict[str, Tensor]


class CalledInputs:
    """Evaluates, and keeps some of what the model was called with the first time.

    Args:
        trainer: its evaluation calls the model.
        model: what is looked at.
        eval_dataset: what to evaluate on; None is the trainer's own.
    """

    def __init__(self, trainer: Trainer, model: nn.Module, eval_dataset: Any = None) -> None:
        self._trainer = trainer
        self._model = model
        self._evaluate = TrainerEvaluator(trainer, eval_dataset)
        self._kept: list[Inputs] = []

    def __call__(self, watch: Watch) -> Evaluation:
        """What the evaluation returns."""
        if self._kept:
            return self._evaluate(watch)
        some = _Some()
        with _seen(self._model, some.add):
            evaluation = self._evaluate(watch)
        self._kept = some.batches
        return evaluation

    def first(self) -> Inputs:
        """Of the first call; the evaluation ends there.

        Raises:
            QuantizationError: the evaluation does not call the model.
        """
        found: list[Inputs] = []

        def enough(inputs: Inputs) -> None:
            found.append(inputs)
            raise _Enough

        try:
            with _seen(self._model, enough):
                self._evaluate(Watch())
        except _Enough:
            loader: Any = self._trainer.callback_handler.eval_dataloader
            if hasattr(loader, "end"):  # tells accelerate that this dataloader is not in use any more
                loader.end()
            return found[0]
        raise QuantizationError("The evaluation does not call the model: there is nothing to judge.")

    def rows(self, count: int) -> list[Inputs]:
        """Batches with about `count` rows, evenly spaced over the evaluation."""
        batches = self.batches(None)
        wanted = max(1, round(count / (sum(map(rows_in, batches)) / len(batches))))
        return _spread(batches, wanted)

    def batches(self, count: int | None) -> list[Inputs]:
        """So many batches, evenly spaced over the evaluation; None: all that were kept."""
        if not self._kept:
            self(Watch())
        if not self._kept:
            raise QuantizationError("The evaluation does not call the model: there is nothing to measure on.")
        return self._kept if count is None else _spread(self._kept, count)


class _Enough(BaseException):
    """Ends an evaluation. Not an Exception, so that no handler on the way takes it."""


class _Some:
    """Keeps every batch, then every second, every fourth ... so that they are never more than `KEPT_BATCHES`."""

    def __init__(self) -> None:
        self.batches: list[Inputs] = []
        self._seen, self._step = 0, 1

    def add(self, inputs: Inputs) -> None:
        if self._seen % self._step == 0:
            self.batches.append({key: value.clone() for key, value in inputs.items()})
        if len(self.batches) > KEPT_BATCHES:
            self.batches, self._step = self.batches[::2], self._step * 2
        self._seen += 1


def _spread(batches: list[Inputs], count: int) -> list[Inputs]:
    count = min(count, len(batches))
    return [batches[number * len(batches) // count] for number in range(count)]


@contextmanager
def _seen(model: nn.Module, see: Callable[[Inputs], None]) -> Iterator[None]:
    def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        see({key: value for key, value in by_name(module, args, kwargs).items() if isinstance(value, Tensor)})

    handle = model.register_forward_pre_hook(look, with_kwargs=True, prepend=True)
    try:
        yield
    finally:
        handle.remove()
