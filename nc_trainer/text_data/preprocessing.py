"""Turns text into model inputs, as run_glue does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from datasets import Dataset, Value
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from nc_trainer.errors import NCTrainerError

logger = logging.getLogger(__name__)

Batch = dict[str, list[Any]]


def ensure_pad_token(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> None:
    """Give GPT-2 (end of text) and CTRL (unknown token) a padding token; their classifiers need its id."""
    if tokenizer.pad_token is None:
        substitute = tokenizer.eos_token or tokenizer.unk_token
        if substitute is None:
            raise NCTrainerError("the tokenizer has no padding token; set `pad_token` in its tokenizer_config.json")
        tokenizer.pad_token = substitute
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id


def usable_length(tokenizer: PreTrainedTokenizerBase, max_seq_length: int) -> int:
    """`max_seq_length`, or the longest input the model takes when that is shorter (with a warning)."""
    if max_seq_length > tokenizer.model_max_length:
        logger.warning(
            "max_seq_length (%d) is larger than the maximum length of the model (%d); using the latter.",
            max_seq_length,
            tokenizer.model_max_length,
        )
    return min(max_seq_length, tokenizer.model_max_length)


def tokenize(
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    text_columns: Sequence[str],
    max_length: int,
    pad_to_max_length: bool = True,
    label_ids: Sequence[int] | None = None,
    use_cache: bool = True,
) -> Dataset:
    """`dataset` with the tokenizer's columns (`input_ids` ..., int lists) added.

    Args:
        dataset: rows with the text columns and `label`; a label of -1 (unlabelled) stays -1.
        tokenizer: of the model.
        text_columns: one or two names of text columns.
        max_length: in tokens; longer inputs are truncated.
        pad_to_max_length: pad every row to `max_length`; otherwise batches are padded later.
        label_ids: the model's id of each of the data's label ids; None leaves the labels alone (regression).
        use_cache: reuse an earlier result for the same rows, when the dataset is kept on disk.

    Raises:
        NCTrainerError: a row has no tokens at all, so that the model would have nothing to read.
    """
    encode = _encoder(tokenizer, text_columns, max_length, "max_length" if pad_to_max_length else False, label_ids)
    if label_ids is not None and list(label_ids) != list(range(len(label_ids))):
        # A ClassLabel would keep the data's names on what are now the model's ids.
        dataset = dataset.cast_column("label", Value("int64"))
    encoded = dataset.map(encode, batched=True, load_from_cache_file=use_cache, desc="Tokenizing")
    _check_tokens(encoded, text_columns)
    return encoded


def _check_tokens(encoded: Dataset, text_columns: Sequence[str]) -> None:
    """Tokenizers that add no special tokens, as GPT-2's, make nothing of an empty text, or padding alone."""
    column = "attention_mask" if "attention_mask" in encoded.column_names else "input_ids"
    empty = [number for number, tokens in enumerate(encoded[column], start=1) if not any(tokens)]
    if empty:
        raise NCTrainerError(
            f"row {empty[0]} has no tokens: the tokenizer makes nothing of {' and '.join(text_columns)} there and "
            f"adds no tokens of its own; fill in or leave out such rows ({len(empty)} of {len(encoded)})"
        )


def _encoder(
    tokenizer: PreTrainedTokenizerBase,
    text_columns: Sequence[str],
    max_length: int,
    padding: str | bool,
    label_ids: Sequence[int] | None,
) -> Callable[[Batch], Batch]:
    def encode(batch: Batch) -> Batch:
        texts = [batch[column] for column in text_columns]
        encoded = dict(tokenizer(*texts, padding=padding, max_length=max_length, truncation=True))
        if label_ids is not None:
            encoded["label"] = [label_ids[label] if label != -1 else -1 for label in batch["label"]]
        return encoded

    return encode
