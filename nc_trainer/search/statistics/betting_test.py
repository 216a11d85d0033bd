"""Stop an evaluation before its verdict is certain, with a stated probability of stopping wrongly.

The rows are judged in an order that was shuffled once, with a seed that does not depend on the data; see
`shuffled`. What is decided is the verdict that the full evaluation would have given, not one about other data.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from nc_trainer.errors import QuantizationError
from nc_trainer.search.criterion import ROUNDING, Criterion

STAKES = np.geomspace(0.05, 0.99, 12)
"""The shares of its capital that the bettor stakes; below 1, so that no single row ruins it."""


def shuffled(rows: int, seed: int) -> NDArray[np.int64]:
    """An order of the rows, each of the rows! orders equally likely."""
    return np.random.default_rng(seed).permutation(rows)


def tolerated_rows(criterion: Criterion, baseline: float, rows: int) -> int:
    """How many right rows, net, a trial may lose of `rows` and still be accepted by its accuracy."""
    return math.floor(rows * (criterion.tolerated(baseline) + ROUNDING))


class Wealth:
    """The capital of a bettor against the claim that numbers from {-1, 0, 1} sum to at most `total`.

    It starts with 1. Before the i-th of n numbers, drawn without replacement, the claim leaves them a mean of at most
    m = (total - sum so far) / (n - i + 1). The bettor stakes the share f of its capital on the number being above it:

        capital *= 1 - f + f * (number + 1) / (m + 1)

    If the claim is true the capital is a nonnegative supermartingale, whatever the numbers are, so that it ever
    reaches 1 / alpha with a probability of at most alpha (Ville's inequality). Which share is best depends on what is
    not known yet; the capital is split evenly over `STAKES`, which keeps that property.

    Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2024), sections 4
    and 5; the same authors, "Confidence sequences for sampling without replacement" (2020).

    Args:
        rows: n, how many numbers there are in all.
        total: the largest sum that is claimed.
    """

    def __init__(self, rows: int, total: int) -> None:
        self.left = rows
        self.total = total
        self._log_capital = np.zeros(len(STAKES))

    def bet(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Go on with the next numbers [n] and return the logarithm of the capital after each, [n].

        It is infinite once the claim has become impossible.
        """
        factors = 1 - STAKES + STAKES * self._surprise(numbers)[:, None]
        logs = self._log_capital + np.log(factors).cumsum(axis=0)
        if len(numbers):
            self._log_capital = logs[-1]
        self.left -= len(numbers)
        self.total -= int(numbers.sum())
        return logsumexp(logs, axis=1) - math.log(len(STAKES))

    def _surprise(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """(number + 1) / (m + 1), [n]; its mean is at most 1 under the claim."""
        left = self.left - np.arange(len(numbers))
        room = self.total - (numbers.cumsum() - numbers) + left
        surprise = np.where((room == 0) & (numbers == -1), 1.0, np.inf)
        return np.divide((numbers + 1) * left, room, out=surprise, where=room > 0)


class AccuracyLossTest:
    """Decides early whether a trial loses more right rows than tolerated.

    The verdict is accepted if at most `tolerated` rows are lost, net. Two bettors watch the row-wise loss
    d = baseline right - trial right: one against "the loss is at most `tolerated`", one against "it is at least
    `tolerated` + 1". The first whose capital reaches 1 / alpha decides. As only one of the claims is false, a trial is
    misjudged with a probability of at most alpha, at whatever row the test stops. It also stops when the rows left
    can no longer change the verdict, which is never wrong.

    The rate holds for each trial. Trials judged in the same order share their luck; alpha / trials bounds the
    probability that any of that many is misjudged.

    Args:
        baseline_right: whether the float model is right, booleans [rows], in the shuffled order.
        tolerated: see `tolerated_rows`.
        alpha: the probability of misjudging a trial, in (0, 1).

    Raises:
        QuantizationError: alpha is not in (0, 1).
    """

    def __init__(self, baseline_right: NDArray[np.bool_], tolerated: int, alpha: float = 0.05) -> None:
        if not 0 < alpha < 1:
            raise QuantizationError(f"The error rate of the sequential test must be in (0, 1), got {alpha}.")
        self.tolerated = tolerated
        self.verdict: bool | None = None
        self.seen = 0
        self._lost = 0
        self._baseline_right = np.asarray(baseline_right, dtype=np.int64)
        rows = len(self._baseline_right)
        self._enough = -math.log(alpha)
        self._against_small = Wealth(rows, tolerated)
        self._against_large = Wealth(rows, -(tolerated + 1))

    def update(self, trial_right: NDArray[np.bool_]) -> bool | None:
        """Go on with the next rows.

        Args:
            trial_right: whether the trial is right on each, booleans [n].

        Returns:
            True for accepted, False for refused, None to go on. A decision stays; `seen` is the row it was made at.

        Raises:
            ValueError: there are more rows than the baseline has.
        """
        if self.verdict is not None:
            return self.verdict
        end = self.seen + len(trial_right)
        if end > len(self._baseline_right):
            raise ValueError(f"AccuracyLossTest: row {end} of {len(self._baseline_right)} rows.")
        losses = self._baseline_right[self.seen : end] - np.asarray(trial_right, dtype=np.int64)
        refused, accepted = self._decisions(losses)
        decided = np.flatnonzero(refused | accepted)
        self.verdict = bool(accepted[decided[0]]) if len(decided) else None
        self.seen += int(decided[0]) + 1 if len(decided) else len(losses)
        self._lost += int(losses.sum())
        return self.verdict

    def _decisions(self, losses: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each of the next rows [n] would end the test: refused, accepted. Never both."""
        lost = self._lost + losses.cumsum()
        left = self._baseline_right[self.seen :]
        right_left = left.sum() - left[: len(losses)].cumsum()
        wrong_left = len(left) - np.arange(1, len(losses) + 1) - right_left
        surely_refused, surely_accepted = lost - wrong_left > self.tolerated, lost + right_left <= self.tolerated
        refused = self._against_small.bet(losses) >= self._enough
        accepted = self._against_large.bet(-losses) >= self._enough
        return surely_refused | (refused & ~surely_accepted), surely_accepted | (accepted & ~surely_refused)
