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
from nc_trainer.search.statistics.flips import changed_order

MOST_EXAMPLES = 20


class Answers:
    """What two models said to each row.

    Args:
        before: of the float model: classes, integers [rows]; sets of labels, 0 or 1 [rows, labels]; or the numbers of
            a regression, floats [rows] or [rows, numbers].
        after: the same of the chosen one.
        labels: of the same shape; a negative one is none, where they are no numbers.
        tolerance: by how much a number may change and is no flip, see `statistics.flips.number_tolerance`.
    """

    def __init__(
        self,
        before: np.ndarray,
        after: np.ndarray,
        labels: np.ndarray | None,
        tolerance: float | tuple[float, ...] = 0.0,
    ) -> None:
        self.before, self.after, self.labels, self.tolerance = before, after, labels, np.asarray(tolerance)

    @property
    def are_numbers(self) -> bool:
        """Whether it is a regression."""
        return np.issubdtype(self.before.dtype, np.floating)

    def flipped(self) -> list[int]:
        """Numbers of the rows that differ: those that turned wrong first, then those that turned right.

        Of a regression those that changed most come first.
        """
        change = np.abs(self.after - self.before)
        rows = np.flatnonzero((change > self.tolerance).reshape(len(change), -1).any(axis=1)).tolist()
        most = (change / np.where(self.tolerance > 0, self.tolerance, 1)).reshape(len(change), -1).max(axis=1)
        return sorted(rows, key=lambda row: -float(most[row]) if self.are_numbers else self._rank(row))

    def changed_order(self) -> float | None:
        """The share of pairs of rows in another order, where each has one number; see `statistics.flips`."""
        return changed_order(self.before, self.after) if self.are_numbers and self.before.ndim == 1 else None

    def _rank(self, row: int) -> int:
        if self.labels is None or np.array_equal(self.before[row], self.labels[row]):
            return 0
        return 1 if np.array_equal(self.after[row], self.labels[row]) else 2


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
    return FlippedRows(tuple(found[row] for row in shown if row in found), note, changed_order=answers.changed_order())


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
    before, after = answers.before[row], answers.after[row]
    label = None if answers.labels is None else answers.labels[row]
    name = None
    if label is not None and (answers.are_numbers or bool(np.all(label >= 0))):
        name = answer_name(model.config, label.astype(before.dtype))
    return FlippedRow(
        row=row,
        texts=texts,
        label=name,
        float_answer=answer_name(model.config, before),
        chosen_answer=answer_name(model.config, after),
        float_probability=_of_answer(pair[0], before),
        chosen_probability=_of_answer(pair[1], after),
    )


def _of_answer(probabilities: np.ndarray | None, answer: Any) -> float | None:
    """The probability of the class that was answered; None if it is not the likeliest here, or no class."""
    is_class = np.ndim(answer) == 0 and np.issubdtype(answer.dtype, np.integer)
    if probabilities is None or not is_class or int(probabilities.argmax()) != answer:
        return None
    return float(probabilities[answer])


def answer_name(config: Any, answer: Any) -> str:
    """A class, a set of labels (0 or 1 for each) or numbers, as the page shows it."""
    if np.ndim(answer) and np.issubdtype(answer.dtype, np.floating):
        return ", ".join(f"{number:.4g}" for number in answer)
    if np.ndim(answer):
        return ", ".join(label_name(config, int(number)) for number in np.flatnonzero(answer)) or "no label"
    return label_name(config, int(answer)) if np.issubdtype(answer.dtype, np.integer) else f"{answer:.4g}"


def label_name(config: Any, number: int) -> str:
    """What the model's config calls a class."""
    return str((getattr(config, "id2label", None) or {}).get(number, number))
