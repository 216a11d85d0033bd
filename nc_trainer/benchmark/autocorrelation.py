"""How far neighbouring rounds resemble each other, and so how much a series of them really says.

A busy neighbour or a falling clock frequency lasts longer than one round. Rounds are then not independent, and an
interval that treats them as if they were is too narrow.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy

SHORTEST = 12
"""Rounds below which correlations are not estimated: they would be noise."""
INSIGNIFICANT_LAGS = 5


@dataclass(frozen=True)
class Dependence:
    """What the autocorrelation of a series means for a bootstrap of it.

    Attributes:
        block: how many neighbouring rounds are to be drawn together; 1 when they are independent.
        effective: how many independent rounds would say as much about the mean; at most the number of rounds.
    """

    block: int
    effective: float


def dependence(values: np.ndarray) -> Dependence:
    """Estimate both from the ranks of `values` [rounds], so that a few outliers do not hide the rest.

    The correlations that count are those up to the lag after which INSIGNIFICANT_LAGS in a row are within noise,
    with the flat-top window of Politis and White, "Automatic Block-Length Selection for the Dependent Bootstrap",
    Econometric Reviews 23 (2004). Their block length is for the circular block bootstrap, as corrected by Patton,
    Politis and White, Econometric Reviews 28 (2009).
    """
    rounds = len(values)
    if rounds < SHORTEST or np.ptp(values) == 0:
        return Dependence(1, float(rounds))
    correlations = _autocorrelations(scipy.stats.rankdata(values))
    window = 2 * _last_significant_lag(correlations, rounds)
    lags = np.arange(1, min(window, rounds - 1) + 1)
    weighted = np.minimum(1.0, 2 * (1 - lags / max(window, 1))) * correlations[lags]
    spread = 1 + 2 * weighted.sum()
    if spread <= 1:
        return Dependence(1, float(rounds))
    slope = 2 * (lags * weighted).sum()
    length = (1.5 * (slope / spread) ** 2 * rounds) ** (1 / 3)
    longest = min(3 * math.sqrt(rounds), rounds / 3)
    return Dependence(math.ceil(np.clip(length, 1, longest)), float(rounds / spread))


def _autocorrelations(values: np.ndarray) -> np.ndarray:
    """At lag 0, 1, ..., rounds - 1."""
    centred = values - values.mean()
    products = np.correlate(centred, centred, mode="full")[len(values) - 1 :]
    return np.asarray(products / products[0])


def _last_significant_lag(correlations: np.ndarray, rounds: int) -> int:
    """The lag before the first INSIGNIFICANT_LAGS lags in a row that are all within noise; 0 when none counts."""
    noise = 2 * math.sqrt(math.log10(rounds) / rounds)
    longest = math.ceil(math.sqrt(rounds)) + INSIGNIFICANT_LAGS
    for lag in range(longest):
        if np.all(np.abs(correlations[lag + 1 : lag + 1 + INSIGNIFICANT_LAGS]) < noise):
            return lag
    return longest
