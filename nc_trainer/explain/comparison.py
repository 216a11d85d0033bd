"""How much the Shapley values of two models differ, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from nc_trainer.explain.values import ShapleyValues

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ShapleyComparison:
    """The float model's Shapley values against the int8 model's, on the same rows and the same permutations.

    Attributes:
        mse: the mean over rows of the mean over players of the squared difference, in squared logits. What sampling
            adds to a square is taken out, so it has no bias; below 0 it is 0.
        standard_error: of `mse`, from the spread between rows: what drawing rows and drawing permutations add up to.
        low: of the 95% interval (Student's t), not below 0.
        high: of the same.
        permutation_error: the part of the standard error that is due to permutations: what another seed would change
            on the same rows. 0 where all values are exact.
        rows: how many were compared.
        players: how many values these have.
        sign_flips: how many have another sign.
        sign_flip_share: the share of the float model's sum of |values| that these have, in [0, 1].
        rank_correlation: Spearman's, of the values of a row, mean over rows; None without two values that differ.
    """

    mse: float
    standard_error: float
    low: float
    high: float
    permutation_error: float
    rows: int
    players: int
    sign_flips: int
    sign_flip_share: float
    rank_correlation: float | None


def compare_values(floats: Sequence[ShapleyValues], int8s: Sequence[ShapleyValues]) -> ShapleyComparison:
    """Compare two models row by row.

    Sources for the error that permutations leave: Arvesen, "Jackknifing U-statistics" (1969); Efron and Stein, "The
    jackknife estimate of variance" (1981): it is too large rather than too small.

    Args:
        floats: of the float model, one for each row, of the same seeds as those of `int8s`.
        int8s: of the int8 model.
    """
    differences = [after.draws - before.draws for before, after in zip(floats, int8s, strict=True)]
    squares, errors = np.array([_squared_difference(one) for one in differences]).T
    mse, rows = float(squares.mean()), len(squares)
    permutation_error = float(np.sqrt(np.square(errors).sum())) / rows
    spread = float(np.std(squares, ddof=1)) / math.sqrt(rows) if rows > 1 else permutation_error
    standard_error = max(spread, permutation_error)
    half = float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, max(rows - 1, 1))) * standard_error
    before = np.concatenate([one.values for one in floats])
    after = np.concatenate([one.values for one in int8s])
    flipped = np.sign(before) * np.sign(after) < 0
    total = float(np.abs(before).sum())
    return ShapleyComparison(
        mse=max(mse, 0.0),
        standard_error=standard_error,
        low=max(mse - half, 0.0),
        high=max(mse + half, 0.0),
        permutation_error=permutation_error,
        rows=rows,
        players=len(before),
        sign_flips=int(flipped.sum()),
        sign_flip_share=float(np.abs(before[flipped]).sum()) / total if total else 0.0,
        rank_correlation=_rank_correlation(floats, int8s),
    )


def _squared_difference(draws: NDArray[np.float64]) -> tuple[float, float]:
    """The mean squared difference of one row and its standard error, from draws [draws, players] of the difference.

    The mean of the products of two different draws has the square as its expectation; that of the squares has the
    variance of a draw on top.
    """
    count = len(draws)
    products = draws @ draws.T / draws.shape[1]
    if count == 1:
        return float(products[0, 0]), 0.0
    own, total = np.diag(products), products.sum()
    pairs = total - own.sum()
    value = pairs / (count * (count - 1))
    without_one = (pairs - 2 * (products.sum(axis=1) - own)) / ((count - 1) * (count - 2))
    variance = (count - 1) / count * np.square(without_one - without_one.mean()).sum()
    return float(value), float(np.sqrt(variance))


def _rank_correlation(floats: Sequence[ShapleyValues], int8s: Sequence[ShapleyValues]) -> float | None:
    pairs = [(f.values, i.values) for f, i in zip(floats, int8s, strict=True)]
    ordered = [(f, i) for f, i in pairs if len(set(f)) > 1 and len(set(i)) > 1]
    return float(np.mean([scipy.stats.spearmanr(f, i).statistic for f, i in ordered])) if ordered else None
