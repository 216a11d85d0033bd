"""From questions and long contexts to features: windows of a context that overlap, each with the whole question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from nc_trainer.errors import NCTrainerError

NO_OFFSET = (-1, -1)
"""Stands for tokens that are not of the context."""


@dataclass(frozen=True)
class Windows:
    """How contexts are cut.

    Args:
        tokenizer: a fast one, which knows where in the text a token stands.
        max_length: tokens of a feature, with the question and special tokens.
        stride: tokens that neighbouring windows share.
        pad_to_max_length: pad every feature; otherwise batches are padded later.

    Raises:
        NCTrainerError: the tokenizer is not a fast one, or the stride is not smaller than the length.
    """

    tokenizer: PreTrainedTokenizerBase
    max_length: int
    stride: int
    pad_to_max_length: bool = False

    def __post_init__(self) -> None:
        if not self.tokenizer.is_fast:
            raise NCTrainerError(
                "question answering needs a fast tokenizer, which knows where tokens stand in the text; "
                f"{type(self.tokenizer).__name__} is none. Leave out --use_fast_tokenizer false, or take another model"
            )
        if not 0 <= self.stride < self.max_length:
            raise NCTrainerError(
                f"--doc_stride is {self.stride}, expected 0 or more and less than the length, {self.max_length}"
            )

    def training(self, examples: Dataset, **options: Any) -> Dataset:
        """Features with `start_positions` and `end_positions`, the tokens of the first answer.

        Both are the position of the [CLS] token where the window does not hold the whole answer.
        """
        return examples.map(self._with_positions, batched=True, remove_columns=examples.column_names, **options)

    def evaluation(self, examples: Dataset, **options: Any) -> Dataset:
        """Features with what finds an answer's text: `example_id`, `cls_index` and `offset_mapping`.

        `offset_mapping` is [tokens, 2]: where each token of the context begins and ends in it, (-1, -1) for others.
        """
        return examples.map(self._with_offsets, batched=True, remove_columns=examples.column_names, **options)

    def _encode(self, batch: Mapping[str, list[Any]]) -> tuple[Any, list[int], list[list[tuple[int, int]]]]:
        """The features, and of each its example's number in the batch and its offsets."""
        questions = [question.lstrip() for question in batch["question"]]
        question_first = self.tokenizer.padding_side == "right"
        texts = (questions, batch["context"]) if question_first else (batch["context"], questions)
        try:
            encoded = self.tokenizer(
                *texts,
                truncation="only_second" if question_first else "only_first",
                max_length=self.max_length,
                stride=self.stride,
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
                padding="max_length" if self.pad_to_max_length else False,
            )
        except Exception as error:
            if type(error) is not Exception:  # what the tokenizers' Rust code raises has no narrower type
                raise
            raise NCTrainerError(
                f"a question leaves no room for its context: {error}. Raise --max_seq_length ({self.max_length}) or "
                f"lower --doc_stride ({self.stride})"
            ) from error
        examples = encoded.pop("overflow_to_sample_mapping")
        offsets = [
            [
                tuple(offset) if sequence == int(question_first) else NO_OFFSET
                for offset, sequence in zip(mapping, encoded.sequence_ids(number), strict=True)
            ]
            for number, mapping in enumerate(encoded.pop("offset_mapping"))
        ]
        return encoded, examples, offsets

    def _with_positions(self, batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        encoded, examples, offsets = self._encode(batch)
        spans = [
            answer_tokens(window, batch["answers"][example]) or (cls, cls)
            for window, example, cls in zip(offsets, examples, self._cls(encoded), strict=True)
        ]
        positions = {"start_positions": [span[0] for span in spans], "end_positions": [span[1] for span in spans]}
        return {**encoded, **positions}

    def _with_offsets(self, batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        encoded, examples, offsets = self._encode(batch)
        ids = [batch["id"][example] for example in examples]
        return {**encoded, "example_id": ids, "cls_index": self._cls(encoded), "offset_mapping": offsets}

    def _cls(self, encoded: Any) -> list[int]:
        """Where "no answer" points: the [CLS] token, or what begins a text, or the first token."""
        known = (self.tokenizer.cls_token_id, self.tokenizer.bos_token_id)
        wanted = [token for token in known if token is not None]
        return [next((ids.index(token) for token in wanted if token in ids), 0) for ids in encoded["input_ids"]]


def answer_tokens(offsets: Sequence[tuple[int, int]], answers: Mapping[str, list[Any]]) -> tuple[int, int] | None:
    """First and last token of the first answer, None if the window does not hold the whole of it."""
    if not answers["text"]:
        return None
    begin = answers["answer_start"][0]
    end = begin + len(answers["text"][0])
    touching = [
        number for number, (first, last) in enumerate(offsets) if first < end and last > begin and last > first
    ]
    window = [offset for offset in offsets if offset[1] > offset[0] >= 0]
    if not touching or window[0][0] > begin or window[-1][1] < end:
        return None
    return touching[0], touching[-1]
