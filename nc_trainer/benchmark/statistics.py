"""What a series of latencies says, and what it does not.

A percentile interpolates linearly between the two nearest of the sorted values (numpy's "linear"
method, definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from nc_trainer.errors import NCTrainerError

CONFIDENCE = 0.95
RESAMPLES = 2000
BLOCK = 100
SEED = 20240
MINIMUM_ROUNDS = 6
"""Even rounds that all agree happen by chance with probability 2 ** (1 - rounds): below 6 rounds
that is more than 1 - CONFIDENCE, so fewer rounds support no verdict."""

Verdict = Literal["faster", "slower", "within noise"]


@dataclass(frozen=True)
class Comparison:
    """How a candidate's latency compares with a baseline's.

    `ratio` is the baseline's median latency divided by the candidate's: above 1 the candidate is
    faster. `low` and `high` bound its confidence interval (CONFIDENCE). `rounds` is how many pairs of
    measurements it rests on.
    """

    baseline: str
    candidate: str
    ratio: float
    low: float
    high: float
    rounds: int

    @property
    def verdict(self) -> Verdict:
        """`within noise` when the interval contains 1 or there were fewer than MINIMUM_ROUNDS rounds."""
        if self.rounds < MINIMUM_ROUNDS or self.low <= 1 <= self.high:
            return "within noise"
        return "faster" if self.low > 1 else "slower"


def percentile(values: Sequence[float], q: float) -> float:
    """The `q`-th percentile (0 to 100) of `values`, in their unit; see the module for the definition."""
    if not values:
        raise NCTrainerError("A percentile needs at least one value; the series is empty.")
    return float(np.percentile(values, q, method="linear"))


def median(values: Sequence[float]) -> float:
    """The 50th percentile: the middle value, or the mean of the two middle values."""
    return percentile(values, 50)


def throughput(samples: int, seconds: Sequence[float]) -> float:
    """Samples per second: all samples processed divided by the sum of all call durations."""
    return samples / sum(seconds)


def compare(
    baseline: str, baseline_seconds: Sequence[float], candidate: str, candidate_seconds: Sequence[float]
) -> Comparison:
    """Compare two series that were measured in the same rounds.

    The interval is the percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap",
    1993, chapter 13): whole rounds are drawn with replacement, so a round that was slow for both
    stays slow for both. The generator is seeded: equal series give equal intervals.

    Raises:
        NCTrainerError: the series differ in length, are empty, or hold something else than positive
            finite durations.
    """
    _check_pairs(baseline_seconds, candidate_seconds)
    series = np.array([baseline_seconds, candidate_seconds], dtype=np.float64)
    low, high = np.quantile(_resampled_ratios(series), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    ratio = float(_ratio_of_medians(series))
    return Comparison(baseline, candidate, ratio, float(low), float(high), series.shape[1])


def _resampled_ratios(series: np.ndarray) -> np.ndarray:
    """RESAMPLES ratios of medians, from [2, rounds] seconds; in blocks, to bound the memory."""
    generator = np.random.default_rng(SEED)
    rounds = series.shape[1]
    draws = (generator.integers(rounds, size=(BLOCK, rounds)) for _ in range(RESAMPLES // BLOCK))
    return np.concatenate([_ratio_of_medians(series[:, drawn]) for drawn in draws])


def _ratio_of_medians(series: np.ndarray) -> np.ndarray:
    baseline, candidate = np.median(series, axis=-1)
    return baseline / candidate


def _check_pairs(baseline: Sequence[float], candidate: Sequence[float]) -> None:
    if len(baseline) != len(candidate):
        raise NCTrainerError(
            f"The series have {len(baseline)} and {len(candidate)} rounds; they can only be compared "
            "round by round. Time both in one call of time_interleaved."
        )
    if not baseline:
        raise NCTrainerError("There is nothing to compare: both series are empty.")
    if not all(0 < seconds < inf for seconds in (*baseline, *candidate)):
        raise NCTrainerError("A duration is not a positive finite number of seconds.")
