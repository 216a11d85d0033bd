"""What the chosen trial is worth on new rows, and how far the rows at hand can tell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nc_trainer.search.criterion import Criterion
from nc_trainer.search.statistics.class_metric import ClassMetric, Ints

DRAWS = 1000
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CorrectedEstimate:
    """What selecting among trials leads to on rows that did not take part in the selection.

    `metric` is the metric of the trial selected, `loss` what it loses against the baseline on the same rows, in the
    metric's units and positive if it is worse.
    """

    metric: Estimate
    loss: Estimate


def corrected_estimate(
    metric: ClassMetric,
    criterion: Criterion,
    labels: Ints,
    baseline: Ints,
    trials: Sequence[Ints],
    preference: Sequence[float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> CorrectedEstimate | None:
    """The metric of the chosen trial, corrected for having been chosen on the rows that it is judged by.

    The selection is repeated on rows drawn with replacement, as many as there are; the trial that it selects is scored
    on the rows that were not drawn, about 37 %; the scores are averaged, and their percentiles are the interval. The
    selection is that of a study: of the trials that meet the criterion on the drawn rows the most preferred, and if
    none does, the best. Rows left out are few, so the interval is rather too wide, and the estimate slightly
    pessimistic. What is not undone is that a strategy looked at these rows when it chose what to try.

    Source: Tsamardinos, Greasidou and Borboudakis, "Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation" (Machine Learning 107, 2018), BBC-CV.

    Args:
        metric: the formula of the criterion's metric.
        criterion: what is accepted.
        labels: integers [rows].
        baseline: predicted classes [rows] of the float model.
        trials: predicted classes [rows] of each trial that was evaluated in full.
        preference: one number for each trial, the larger the rather it is chosen among accepted ones, e.g. the number
            of weights in int8; None prefers the best metric.
        draws: how often the selection is repeated.
        seed: of the drawing.

    Returns:
        None if there is nothing to select or no row is ever left out.
    """
    if not trials:
        return None
    preferred = np.zeros(len(trials)) if preference is None else np.asarray(preference, dtype=np.float64)
    cells = np.stack([metric.cells(labels, classes) for classes in (baseline, *trials)])
    scores, losses = [], []
    for drawn, left_out in _draws(len(labels), draws, seed):
        chosen = _select(criterion, _scores(metric, cells[:, drawn]), preferred)
        before, after = _scores(metric, cells[[0, chosen + 1]][:, left_out])
        scores.append(float(after))
        losses.append(float(_loss(criterion, before, after)))
    return CorrectedEstimate(_estimate(scores), _estimate(losses)) if scores else None


def standard_error(metric: ClassMetric, labels: Ints, classes: Ints, draws: int = DRAWS, seed: int = 0) -> float:
    """The sampling error of one model's metric: its standard deviation over rows drawn with replacement.

    Source: Efron, "Bootstrap methods: another look at the jackknife" (1979).
    """
    counts = np.bincount(metric.cells(labels, classes), minlength=metric.size)
    drawn = np.random.default_rng(seed).multinomial(len(labels), counts / len(labels), size=draws)
    return float(metric.score(drawn).std())


def paired_loss(
    metric: ClassMetric,
    criterion: Criterion,
    labels: Ints,
    baseline: Ints,
    trial: Ints,
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """What a trial loses against the baseline, and the paired bootstrap's interval: both on the same drawn rows.

    Half a row that got better and half a row that got worse are added to what is drawn from. Without them a trial
    that flipped nothing would be certain never to flip anything, however few rows there are.

    Source: Efron and Tibshirani, "An introduction to the bootstrap" (1993), percentile intervals; Koehn, "Statistical
    significance tests for machine translation evaluation" (2004), pairs; Agresti and Min, "Simple improved confidence
    intervals for comparing matched proportions" (2005), the half rows.
    """
    cells = np.stack([metric.cells(labels, classes) for classes in (baseline, trial)])
    pairs, counts = np.unique(cells, axis=1, return_counts=True)
    pairs, weights = _with_half_rows(metric, pairs, counts.astype(np.float64))
    drawn = np.random.default_rng(seed).multinomial(len(labels), weights / weights.sum(), size=draws)
    before, after = (metric.score(drawn @ _one_hot(own, metric.size)) for own in pairs)
    low, high = np.percentile(_loss(criterion, before, after), PERCENTILES)
    return Estimate(float(_loss(criterion, *_scores(metric, cells))), float(low), float(high))


def _with_half_rows(metric: ClassMetric, pairs: Ints, counts: NDArray) -> tuple[Ints, NDArray]:
    """Pairs of cells [2, pairs] and their counts [pairs] with the pairs of `errors`, and the same reversed, added.

    Each direction weighs half a row, spread over the errors in proportion to the rows of the baseline they start from.
    """
    rows = np.bincount(pairs[0], weights=counts, minlength=metric.size)
    errors = np.array(list(metric.errors())).T
    shares = rows[errors[0]] if rows[errors[0]].any() else np.ones(errors.shape[1])
    half = 0.5 * shares / shares.sum()
    return np.concatenate([pairs, errors, errors[::-1]], axis=1), np.concatenate([counts, half, half])


def _draws(rows: int, draws: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows drawn with replacement, and those left out, if any."""
    random = np.random.default_rng(seed)
    for _ in range(draws):
        drawn = random.integers(rows, size=rows)
        left_out = np.setdiff1d(np.arange(rows), drawn)
        if len(left_out):
            yield drawn, left_out


def _one_hot(cells: Ints, size: int) -> NDArray[np.float64]:
    hot = np.zeros((len(cells), size))
    hot[np.arange(len(cells)), cells] = 1
    return hot


def _scores(metric: ClassMetric, cells: Ints) -> NDArray[np.float64]:
    """The metric of each model [models] from the cells of its rows [models, rows]."""
    models = len(cells)
    codes = cells + metric.size * np.arange(models)[:, None]
    return metric.score(np.bincount(codes.ravel(), minlength=models * metric.size).reshape(models, metric.size))


def _select(criterion: Criterion, scores: NDArray[np.float64], preferred: NDArray[np.float64]) -> int:
    """The index of the chosen trial, from the scores of the baseline and the trials [1 + trials]."""
    baseline, trials = float(scores[0]), [float(value) for value in scores[1:]]
    accepted = [index for index, value in enumerate(trials) if criterion.accepts(value, baseline)]
    if accepted:
        return max(accepted, key=lambda index: (preferred[index], criterion.metric.key(trials[index])))
    return max(range(len(trials)), key=lambda index: (criterion.metric.key(trials[index]), preferred[index]))


def _loss(criterion: Criterion, before: NDArray | float, after: NDArray | float) -> NDArray[np.float64]:
    return np.asarray(before) - after if criterion.metric.higher_is_better else np.asarray(after) - before


def _estimate(values: Sequence[float]) -> Estimate:
    low, high = np.percentile(values, PERCENTILES)
    return Estimate(float(np.mean(values)), float(low), float(high))
