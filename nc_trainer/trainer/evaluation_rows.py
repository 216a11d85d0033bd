"""Going back to rows of the evaluation data, in the batches in which they were evaluated."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor
from transformers import Trainer

from nc_trainer.search.evaluated_rows import EvaluatedBatch
from nc_trainer.trainer.batches import read_evaluation
from nc_trainer.trainer.model_inputs import ModelInputs
from nc_trainer.trainer.repeatable import same_random_state


class TrainerRows:
    """Rows of a trainer's evaluation, from its own dataloader, as text by its tokenizer.

    Args:
        trainer: whose `get_eval_dataloader` gives the same batches every time.
        dataset: what was evaluated, one set or a dictionary of them; None is the trainer's own.
    """

    def __init__(self, trainer: Trainer, dataset: Any) -> None:
        self._trainer = trainer
        self._dataset = dataset

    def batches(self, rows: Collection[int]) -> Iterator[EvaluatedBatch]:
        """See `EvaluationRows`. Nothing is read after the last of the rows."""
        first, inputs_of = 0, ModelInputs(self._trainer)
        with same_random_state(self._trainer):
            for batch in read_evaluation(self._trainer, self._dataset):
                if first > max(rows, default=-1):
                    return
                found = EvaluatedBatch(first, inputs_of(batch), labels_of(self._trainer, batch))
                if any(number in found.rows for number in rows):
                    yield found
                first = found.rows.stop

    def texts(self, inputs: Mapping[str, Tensor], index: int) -> tuple[str, ...]:
        """See `EvaluationRows`: what the tokenizer makes of `input_ids`, one text for each part between separators."""
        tokenizer: Any = self._trainer.processing_class
        if not hasattr(tokenizer, "decode") or "input_ids" not in inputs:
            return ()
        ids = inputs["input_ids"][index]
        mask = inputs.get("attention_mask")
        tokens = [int(token) for token in (ids if mask is None else ids[mask[index] != 0])]
        parts = _split(tokens, getattr(tokenizer, "sep_token_id", None))
        texts = (tokenizer.decode(part, skip_special_tokens=True).strip() for part in parts)
        return tuple(text for text in texts if text)


def _split(tokens: list[int], separator: int | None) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    for token in tokens:
        if token == separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def labels_of(trainer: Trainer, batch: Mapping[str, Any]) -> np.ndarray | None:
    """The labels of a batch, None where they are not one tensor."""
    found = [batch[name] for name in trainer.label_names if name in batch]
    return found[0].numpy(force=True) if len(found) == 1 and isinstance(found[0], Tensor) else None
