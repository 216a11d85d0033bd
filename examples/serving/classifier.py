"""The int8 model behind a service: loaded once, warmed up, asked by any number of threads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import nc_trainer  # noqa: F401  # teaches transformers to load int8 directories

WARM_UP = ("a", "a few words", "a few more words than that, " * 40)
"""A short row, a longer one and one that is cut: kernels are chosen at the first call of each kind."""
MOST_TOKENS = 512
"""Longer texts are cut, also where the tokenizer knows no limit."""


class Classifier:
    """A text classifier in float or int8.

    An int8 model keeps nothing between two calls, so that threads may share one, and a process that is forked after
    loading shares the memory of the weights. Nothing may have been computed on several threads before a fork: the
    threads are not there in the child, which would wait for them. `warm_up` is for after it.

    Args:
        directory: with the model and its tokenizer.
    """

    def __init__(self, directory: str | Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
        positions = getattr(self.model.config, "max_position_embeddings", MOST_TOKENS)
        self.max_length = min(MOST_TOKENS, positions, self.tokenizer.model_max_length)

    def warm_up(self) -> None:
        """Compute a few rows, so that the first request is as fast as the next."""
        for text in WARM_UP:
            self.classify([text])

    def classify(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The label of each text and its probability; nothing for no texts."""
        if not texts:
            return []
        with torch.inference_mode():
            inputs = self.tokenizer(
                list(texts), padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
            )
            probabilities = self.model(**inputs).logits.softmax(-1)
        best = probabilities.max(-1)
        names = self.model.config.id2label
        return [
            {"label": names[int(label)], "score": float(score)}
            for label, score in zip(best.indices, best.values, strict=True)
        ]
