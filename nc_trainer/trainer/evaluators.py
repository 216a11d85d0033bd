"""Evaluators: sentence-transformers judges a model by what these compute, beside the loss on evaluation data."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers import Trainer

from nc_trainer.search import Metric


def evaluator_of(trainer: Trainer) -> Any:
    """What the trainer evaluates with beside its `compute_metrics`; None for a trainer that has no such thing."""
    return getattr(trainer, "evaluator", None)


def primary_metric(trainer: Trainer, computed: Iterable[str]) -> Metric | None:
    """What the trainer's evaluator calls its primary metric, once it has evaluated.

    Args:
        trainer: may have an evaluator.
        computed: names of the metrics of an evaluation. With several evaluation sets the first set's is taken.
    """
    evaluator = evaluator_of(trainer)
    name = getattr(evaluator, "primary_metric", None)
    found = [one for one in computed if name and (one == name or one.endswith(f"_{name}"))]
    return Metric(found[0], bool(getattr(evaluator, "greater_is_better", True))) if found else None


@contextmanager
def evaluators_write_nothing(trainer: Trainer) -> Iterator[None]:
    """Meanwhile no evaluator adds a line to its csv file, nor a number to the model card."""
    evaluator, card = evaluator_of(trainer), getattr(trainer.model, "model_card_data", None)
    writing = [one for one in _with_parts(evaluator) if getattr(one, "write_csv", False)]
    for one in writing:
        one.write_csv = False
    if card is not None:
        card.set_evaluation_metrics = _nothing
    try:
        yield
    finally:
        for one in writing:
            one.write_csv = True
        if card is not None:
            del card.set_evaluation_metrics


def _with_parts(evaluator: Any) -> Iterator[Any]:
    yield evaluator
    for part in getattr(evaluator, "evaluators", None) or ():
        yield from _with_parts(part)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """In place of a method."""
