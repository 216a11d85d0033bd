"""What a series of latencies says, and what it does not.

A percentile interpolates linearly between the two nearest of the sorted values (numpy's "linear"
method, definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from nc_trainer.benchmark.autocorrelation import dependence
from nc_trainer.errors import NCTrainerError

CONFIDENCE = 0.95
RESAMPLES = 2000
AT_ONCE = 100
SEED = 20240
MINIMUM_ROUNDS = 6
"""Even rounds that all agree happen by chance with probability 2 ** (1 - rounds): below 6 rounds
that is more than 1 - CONFIDENCE, so fewer (effective) rounds support no verdict."""
DRIFT = 0.05
"""A smaller change between the halves of a series is not worth a word."""

Verdict = Literal["faster", "slower", "within noise"]


@dataclass(frozen=True)
class Comparison:
    """How a candidate's latency compares with a baseline's.

    Attributes:
        baseline: name of the model that is compared with.
        candidate: name of the model that is compared.
        ratio: the baseline's median latency divided by the candidate's: above 1 the candidate is faster.
        low: lower bound of the ratio's confidence interval (CONFIDENCE).
        high: upper bound.
        rounds: how many measurements of each it rests on.
        block: how many neighbouring ones were drawn together.
        effective_rounds: how many independent ones would say as much; None in files of version 1.
    """

    baseline: str
    candidate: str
    ratio: float
    low: float
    high: float
    rounds: int
    block: int = 1
    effective_rounds: float | None = None

    @property
    def supported(self) -> bool:
        """Whether there were MINIMUM_ROUNDS rounds, effective ones."""
        effective = self.rounds if self.effective_rounds is None else self.effective_rounds
        return min(self.rounds, effective) >= MINIMUM_ROUNDS

    @property
    def verdict(self) -> Verdict:
        """`within noise` when the interval contains 1 or too few rounds support it."""
        if not self.supported or self.low <= 1 <= self.high:
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


def throughput(samples: float, seconds: Sequence[float]) -> float:
    """Samples per second: all samples processed divided by the sum of all call durations."""
    return samples / sum(seconds)


def compare(
    baseline: str, baseline_seconds: Sequence[float], candidate: str, candidate_seconds: Sequence[float]
) -> Comparison:
    """Compare two series that were measured in the same rounds.

    The interval is the percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap",
    1993, chapter 13): whole rounds are drawn with replacement, so a round that was slow for both
    stays slow for both. Neighbouring rounds that resemble each other are drawn in blocks (Politis and
    Romano, "A Circular Block-Resampling Procedure for Stationary Data", 1992), as long as the
    autocorrelation of the ratios asks for. The generator is seeded: equal series give equal intervals.

    Raises:
        NCTrainerError: the series differ in length, are empty, or hold something else than positive
            finite durations.
    """
    _check_pairs(baseline_seconds, candidate_seconds)
    series = np.array([baseline_seconds, candidate_seconds], dtype=np.float64)
    found = dependence(series[0] / series[1])
    generator = np.random.default_rng(SEED)
    draws = _draws(generator, series.shape[1], found.block)
    ratios = np.concatenate([_ratio(series[0, drawn], series[1, drawn]) for drawn in draws])
    ratio = float(_ratio(series[0], series[1]))
    return Comparison(baseline, candidate, ratio, *_interval(ratios), series.shape[1], found.block, found.effective)


def compare_unpaired(
    baseline: str, baseline_seconds: Sequence[float], candidate: str, candidate_seconds: Sequence[float]
) -> Comparison:
    """Compare two series of separate runs, of any lengths: the bootstrap of `compare`, each drawn on its own.

    Raises:
        NCTrainerError: a series is empty, or holds something else than positive finite durations.
    """
    _check_durations(baseline_seconds, candidate_seconds)
    both = [np.array(seconds, dtype=np.float64) for seconds in (baseline_seconds, candidate_seconds)]
    found = [dependence(series) for series in both]
    generator = np.random.default_rng(SEED)
    resampled = [
        np.concatenate([np.median(series[drawn], axis=-1) for drawn in _draws(generator, len(series), one.block)])
        for series, one in zip(both, found, strict=True)
    ]
    low, high = _interval(resampled[0] / resampled[1])
    block = max(one.block for one in found)
    effective = min(one.effective for one in found)
    rounds = min(map(len, both))
    return Comparison(baseline, candidate, float(_ratio(*both)), low, high, rounds, block, effective)


def drift(seconds: Sequence[float]) -> float | None:
    """How much longer the second half's calls took, 0.1 for 10 %; None when it may be noise or is below DRIFT."""
    half = len(seconds) // 2
    if half < MINIMUM_ROUNDS:
        return None
    change = compare_unpaired("second half", seconds[-half:], "first half", seconds[:half])
    worth_a_word = change.verdict != "within noise" and abs(change.ratio - 1) >= DRIFT
    return change.ratio - 1 if worth_a_word else None


def _draws(generator: np.random.Generator, rounds: int, block: int) -> Iterator[np.ndarray]:
    """RESAMPLES times the numbers of `rounds` rounds, [AT_ONCE, rounds] at once, to bound the memory."""
    for _ in range(RESAMPLES // AT_ONCE):
        starts = generator.integers(rounds, size=(AT_ONCE, -(-rounds // block)))
        numbers = (starts[..., None] + np.arange(block)) % rounds
        yield numbers.reshape(AT_ONCE, -1)[:, :rounds]


def _interval(ratios: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _ratio(baseline: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Of the medians along the last axis."""
    return np.asarray(np.median(baseline, axis=-1) / np.median(candidate, axis=-1))


def _check_pairs(baseline: Sequence[float], candidate: Sequence[float]) -> None:
    if len(baseline) != len(candidate):
        raise NCTrainerError(
            f"The series have {len(baseline)} and {len(candidate)} rounds; they can only be compared "
            "round by round. Time both in one call of time_interleaved."
        )
    _check_durations(baseline, candidate)


def _check_durations(baseline: Sequence[float], candidate: Sequence[float]) -> None:
    if not len(baseline) or not len(candidate):
        raise NCTrainerError("There is nothing to compare: a series is empty.")
    if not all(0 < seconds < inf for seconds in (*baseline, *candidate)):
        raise NCTrainerError("A duration is not a positive finite number of seconds.")
