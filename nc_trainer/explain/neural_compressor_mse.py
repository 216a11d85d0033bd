"""The number that Neural Compressor's example called Shapley MSE, as it was computed there.

It compares how large values are on average in a sentence, so it sees neither signs nor which token they belong to. It
stands beside ours so that results can be compared with old ones.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit
from torch import nn
from transformers import PreTrainedTokenizerBase

from nc_trainer.benchmark.measure import evaluation_mode
from nc_trainer.explain.package import imported_shap, numpy_random_state_kept

ROWS = 10
"""The first so many rows of the evaluation data were explained."""
LENGTH = 128
PADDING_ID = 0
"""Taken for padding whatever the tokenizer says, as there."""


def mean_magnitudes(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> tuple[NDArray[np.float64], int]:
    """For each text and class the mean |Shapley value| of its tokens, the first and the last left out.

    The values are those of shap's partition explainer (Owen values of a tree of neighbouring tokens) for the log-odds
    of each class, every text padded or cut to 128 tokens.

    Returns:
        float64 [texts, classes], and how many rows went through the model.
    """
    log_odds = _LogOdds(model, tokenizer)
    explainer = imported_shap().Explainer(log_odds, tokenizer)
    with numpy_random_state_kept():
        values = explainer(list(texts), silent=True).values
    return np.stack([np.abs(one[1:-1]).mean(axis=0) for one in values]), log_odds.passes


def inc_shapley_mse(floats: NDArray[np.float64], int8s: NDArray[np.float64]) -> float:
    """Mean over texts of the squared differences of `mean_magnitudes`, summed over classes."""
    return float(np.square(floats - int8s).sum(axis=1).mean())


class _LogOdds:
    """From texts to the log-odds of each class, [texts, classes]."""

    def __init__(self, model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.passes = 0

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        self.passes += len(texts)
        strings = [str(text) for text in texts]
        encoded = self.tokenizer(strings, padding="max_length", max_length=LENGTH, truncation=True)
        ids = torch.tensor(encoded["input_ids"])
        with evaluation_mode([self.model]), torch.inference_mode():
            logits = self.model(input_ids=ids, attention_mask=(ids != PADDING_ID).long()).logits
        return np.asarray(logit(logits.float().softmax(dim=-1).numpy()), dtype=np.float64)
