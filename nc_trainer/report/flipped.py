"""The rows that the float model and the chosen one answer differently, with their texts and probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import logits
from nc_trainer.report.report_data import FlippedRow, FlippedRows
from nc_trainer.search.evaluated_rows import EvaluatedBatch, EvaluationRows

MOST_EXAMPLES = 20


class Answers:
    """What two models said to each row.

    Args:
        before: classes of the float model, integers [rows].
        after: classes of the chosen one, [rows].
        labels: integers [rows]; a negative one is none.
    """

    def __init__(self, before: np.ndarray, after: np.ndarray, labels: np.ndarray | None) -> None:
        self.before, self.after, self.labels = before, after, labels

    def flipped(self) -> list[int]:
        """Numbers of the rows that differ: those that turned wrong first, then those that turned right."""
        rows = np.flatnonzero(self.before != self.after).tolist()
        return sorted(rows, key=self._rank)

    def _rank(self, row: int) -> int:
        if self.labels is None or self.before[row] == self.labels[row]:
            return 0
        return 1 if self.after[row] == self.labels[row] else 2


def flipped_rows(
    answers: Answers, source: EvaluationRows, swapper: ModuleSwapper, float_recipe: Recipe, chosen: Recipe
) -> FlippedRows:
    """Look up at most `MOST_EXAMPLES` flipped rows.

    Costs a forward pass of both models over each batch that holds one of them: the same batch gives the same bits as
    in the evaluation. The model is left in any of the recipes.
    """
    flipped = answers.flipped()
    shown = flipped[:MOST_EXAMPLES]
    batches = list(source.batches(shown))
    before = _probabilities(swapper, float_recipe, batches)
    after = _probabilities(swapper, chosen, batches)
    found = {}
    for batch, *pair in zip(batches, before, after, strict=True):
        if answers.labels is not None and not _same_rows(batch, answers.labels):
            return FlippedRows(note="The evaluation rows come in another order each time: they cannot be looked up.")
        for row in set(shown) & set(batch.rows):
            texts = source.texts(batch.inputs, row - batch.first)
            found[row] = _example(answers, swapper.model, row, texts, [_of_row(batch, each, row) for each in pair])
    note = f"{len(shown)} of {len(flipped)} are shown." if len(flipped) > len(shown) else ""
    return FlippedRows(tuple(found[row] for row in shown if row in found), note)


def _probabilities(
    swapper: ModuleSwapper, recipe: Recipe, batches: Sequence[EvaluatedBatch]
) -> list[np.ndarray | None]:
    """Softmax of the logits of each batch, [rows, classes]; None for other shapes."""
    swapper.apply(recipe)
    found: list[Tensor] = [logits(swapper.model, batch.inputs)[0] for batch in batches]
    return [tensor.softmax(-1).numpy(force=True) if tensor.ndim == 2 else None for tensor in found]


def _same_rows(batch: EvaluatedBatch, labels: np.ndarray) -> bool:
    return batch.labels is None or np.array_equal(batch.labels, labels[batch.first : batch.rows.stop])


def _of_row(batch: EvaluatedBatch, probabilities: np.ndarray | None, row: int) -> np.ndarray | None:
    return None if probabilities is None else probabilities[row - batch.first]


def _example(
    answers: Answers, model: PreTrainedModel, row: int, texts: tuple[str, ...], pair: list[np.ndarray | None]
) -> FlippedRow:
    before, after = int(answers.before[row]), int(answers.after[row])
    label = None if answers.labels is None or answers.labels[row] < 0 else int(answers.labels[row])
    return FlippedRow(
        row=row,
        texts=texts,
        label=None if label is None else label_name(model.config, label),
        float_answer=label_name(model.config, before),
        chosen_answer=label_name(model.config, after),
        float_probability=_of_answer(pair[0], before),
        chosen_probability=_of_answer(pair[1], after),
    )


def _of_answer(probabilities: np.ndarray | None, answer: int) -> float | None:
    """The probability of the class that was answered; None if it is not the likeliest here."""
    if probabilities is None or int(probabilities.argmax()) != answer:
        return None
    return float(probabilities[answer])


def label_name(config: Any, number: int) -> str:
    """What the model's config calls a class."""
    return str((getattr(config, "id2label", None) or {}).get(number, number))
