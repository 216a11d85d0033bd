"""Pairs of texts as model inputs, and metrics of generated texts."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from _shared.modes import missing_package
from datasets import Dataset
from transformers import EvalPrediction, PreTrainedTokenizerBase

ROUGE = ("rouge1", "rouge2", "rougeL")


def tokenize(
    sources: Sequence[str],
    targets: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    lengths: tuple[int, int],
    padded: bool,
) -> Dataset:
    """Model inputs, and `labels` from the targets; without targets each row has an empty one.

    `lengths` are the most tokens of a source and of a target; sources are padded to theirs if `padded`.
    """
    padding = "max_length" if padded else False
    encoded = dict(tokenizer(list(sources), max_length=lengths[0], truncation=True, padding=padding))
    wanted = list(targets) or [""] * len(sources)
    labels = tokenizer(text_target=wanted, max_length=lengths[1], truncation=True)["input_ids"]
    return Dataset.from_dict({**encoded, "labels": labels})


def decoded(ids: Any, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The texts of token ids [rows, tokens], in which -100 is padding."""
    array = np.asarray(ids)
    real = np.where(array >= 0, array, tokenizer.pad_token_id)
    return [text.strip() for text in tokenizer.batch_decode(real, skip_special_tokens=True)]


def text_metrics(tokenizer: PreTrainedTokenizerBase) -> Callable[[EvalPrediction], dict[str, float]]:
    """The `compute_metrics` of a trainer that generates: ROUGE F1 and exact match, in percent.

    Raises:
        NCTrainerError: rouge-score is not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise missing_package("rouge-score", "ROUGE") from error
    scorer = RougeScorer(list(ROUGE), use_stemmer=True)

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        first = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
        found, expected = decoded(first, tokenizer), decoded(prediction.label_ids, tokenizer)
        scores = [scorer.score(gold, text) for gold, text in zip(expected, found, strict=True)]
        metrics = {name: 100 * float(np.mean([score[name].fmeasure for score in scores])) for name in ROUGE}
        exact = [text == gold for text, gold in zip(found, expected, strict=True)]
        return metrics | {"exact_match": 100 * float(np.mean(exact))}

    return compute_metrics
