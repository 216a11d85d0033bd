"""Tags of words as labels of tokens, and entity metrics of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from _shared.modes import missing_package
from _shared.script_rows import Splits, class_names, column_values
from datasets import Dataset
from transformers import EvalPrediction, PreTrainedTokenizerBase

from nc_trainer import NCTrainerError

IGNORED = -100


def words_of(cell: Any) -> list[str]:
    """The words or tags of a row: a list, or in a csv cell a text with blanks between them."""
    return [str(word) for word in (cell.split() if isinstance(cell, str) else cell)]


def with_words(splits: Splits, words_column: str, tags_column: str) -> tuple[Splits, list[str]]:
    """The splits with `words` and `tags` (names), and the tags, sorted or in the data set's order.

    Raises:
        NCTrainerError: a column is missing, or a row does not have as many tags as words.
    """
    words = column_values(splits, words_column)
    tags = column_values(splits, tags_column, needed_for_test=False)
    labelled = next((splits[split] for split, values in tags.items() if values), None)
    known = class_names(labelled, tags_column) if labelled is not None else None
    found = {}
    for split, texts in words.items():
        rows = [
            {"words": words_of(text), "tags": _names(words_of(cell), known) if cell is not None else None}
            for text, cell in zip(texts, tags[split] or [None] * len(texts), strict=True)
        ]
        _check_lengths(rows, split)
        found[split] = Dataset.from_list(rows)
    names = known or sorted({tag for rows in found.values() for tags in rows["tags"] for tag in tags or ()})
    if not names:
        raise NCTrainerError("test rows alone do not tell the tags; give the training or validation rows too")
    return found, names


def _names(tags: list[str], known: list[str] | None) -> list[str]:
    return [known[int(tag)] for tag in tags] if known else tags


def _check_lengths(rows: list[dict[str, Any]], split: str) -> None:
    for number, row in enumerate(rows, start=1):
        if row["tags"] is not None and len(row["tags"]) != len(row["words"]):
            raise NCTrainerError(f"{split} row {number}: {len(row['tags'])} tags for {len(row['words'])} words")


def tokenize(
    rows: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    padded: bool,
    ids: dict[str, int],
    all_tokens: bool,
) -> Dataset:
    """Model inputs with `labels`: a word's first token has its tag, the others -100 unless `all_tokens`."""

    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        encoded = tokenizer(
            batch["words"],
            is_split_into_words=True,
            truncation=True,
            max_length=max_length,
            padding="max_length" if padded else False,
        )
        of_words = [encoded.word_ids(number) for number in range(len(batch["words"]))]
        labels = [_labels(words, tags, ids, all_tokens) for words, tags in zip(of_words, batch["tags"], strict=True)]
        return {**encoded, "labels": labels}

    return rows.map(encode, batched=True, remove_columns=rows.column_names)


def _labels(words: Sequence[int | None], tags: list[str] | None, ids: dict[str, int], all_tokens: bool) -> list[int]:
    labels, previous = [], None
    for word in words:
        is_counted = word is not None and (all_tokens or word != previous)
        labels.append((0 if tags is None else ids[tags[word]]) if is_counted and word is not None else IGNORED)
        previous = word
    return labels


def named(predicted: np.ndarray, labels: np.ndarray, names: dict[int, str]) -> list[list[str]]:
    """The tags of each row's words, where `labels` [rows, tokens] is not -100."""
    return [
        [names[int(tag)] for tag, label in zip(row, asked, strict=True) if label != IGNORED]
        for row, asked in zip(predicted, labels, strict=True)
    ]


def entity_metrics(names: dict[int, str]) -> Callable[[EvalPrediction], dict[str, float]]:
    """The `compute_metrics` of a trainer: precision, recall and F1 of whole entities, and accuracy of tags.

    Raises:
        NCTrainerError: seqeval is not installed.
    """
    try:
        from seqeval import metrics
    except ImportError as error:
        raise missing_package("seqeval", "the F1 of entities") from error

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        labels = prediction.label_ids
        found = named(prediction.predictions.argmax(-1), labels, names)
        expected = named(labels, labels, names)
        return {
            "precision": float(metrics.precision_score(expected, found, zero_division=0)),
            "recall": float(metrics.recall_score(expected, found, zero_division=0)),
            "f1": float(metrics.f1_score(expected, found, zero_division=0)),
            "accuracy": float(metrics.accuracy_score(expected, found)),
        }

    return compute_metrics
