"""What one evaluation returns, and the record of one judged recipe."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.search.label_kinds import are_label_sets, are_numbers
from nc_trainer.search.metric import Metric


@dataclass(frozen=True)
class Evaluation:
    """The metrics of the model as it stands, without prefix, and what they were computed from.

    `visible` says that `predictions` and `labels` were seen row by row, in order, while the evaluation ran.
    `complete` is False for one that was stopped: it has no metrics. `unusable` is what was to be a metric and is no
    number: by name, what it is instead. `primary` is what the evaluation itself names as the metric to judge by.
    """

    metrics: Mapping[str, float]
    seconds: float
    predictions: Any = None
    labels: Any = None
    visible: bool = False
    complete: bool = True
    unusable: Mapping[str, str] = field(default_factory=dict)
    primary: Metric | None = None

    def number(self, name: str) -> float:
        """One of the metrics.

        Raises:
            QuantizationError: it was not computed, or is no number.
        """
        if name not in self.metrics:
            instead = f"it {self.unusable[name]}" if name in self.unusable else f"there are {sorted(self.metrics)}"
            raise QuantizationError(f"the evaluation returned no number `{name}`: {instead}")
        return self.metrics[name]

    @property
    def rows(self) -> int | None:
        """How many were evaluated, None if that is not visible."""
        return len(self.labels) if isinstance(self.labels, np.ndarray) and self.labels.ndim else None


@dataclass(frozen=True)
class Trial:
    """One judged recipe. Immutable; number 0 is the float baseline.

    Its `state` is `complete`; `failed`, if it raised or its metric is NaN; or `pruned`, if it was stopped because it
    could not be accepted any more. Only a `CompleteTrial` has a value. What is compared row by row is None where the
    task has no classes, or no label for each row.

    Attributes:
        number: 1, 2, 3 in the order of judging; 0 is the baseline.
        recipe: what was judged.
        value: the metric that is judged, in a `CompleteTrial`; None in any other.
        accepted: whether the criterion is met, and what `agreement` and `per_label` ask for.
        lucky: whether the metric meets the criterion, and it is not accepted: more predictions changed than losses of
            the tolerated size explain.
        seconds: duration of the evaluation.
        metrics: all that was computed, by name without prefix.
        flips: how many rows have another answer than the baseline's, see `statistics.flips`.
        rows: how many rows that was counted on.
        better: rows that were wrong and became right; of a regression, those that moved towards their label.
        worse: rows that were right and became wrong; of a regression, those that moved away from their label.
        p_value: McNemar's, exact and two-sided, of `better` against `worse`, see `tuning.flips`.
        logits_error: mean squared difference of the logits over the variance of the baseline's.
        objectives: what was measured to order accepted trials, see `tuning.objective`.
        error: what was raised, if the trial failed.
        low: least value that a pruned trial could have ended with.
        high: greatest value that a pruned trial could have ended with.
        share: which part of the evaluation rows was seen; flips of a pruned trial are counted on these.
        flip_tolerance: by how much a number may change and is no flip, in its own unit; of several numbers, for each.
            None where answers are no numbers.
        lost_label: the label that lost most of its recall, where that is more than `per_label` allows.
        lost_recall: how much that is, as a share of its rows.

    Raises:
        ValueError: there is a value and this is no `CompleteTrial`.
    """

    number: int
    recipe: Recipe
    value: float | None
    accepted: bool
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    flips: int | None = None
    rows: int | None = None
    better: int | None = None
    worse: int | None = None
    p_value: float | None = None
    logits_error: float | None = None
    objectives: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    low: float | None = None
    high: float | None = None
    share: float = 1.0
    flip_tolerance: float | tuple[float, ...] | None = None
    lucky: bool = False
    lost_label: int | None = None
    lost_recall: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) is isinstance(self, CompleteTrial):
            raise ValueError(f"Trial {self.number}: a CompleteTrial has a value, and no other trial has one.")

    @property
    def state(self) -> Literal["complete", "pruned", "failed"]:
        """How its evaluation ended."""
        if isinstance(self, CompleteTrial):
            return "complete"
        return "pruned" if self.error is None else "failed"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; of the recipe only what fell back, and columns in float."""
        own = {key: value for key, value in vars(self).items() if key not in ("recipe", "metrics", "objectives")}
        mappings = {"metrics": dict(self.metrics), "objectives": dict(self.objectives)}
        columns = {name: list(numbers) for name, numbers in self.recipe.float_columns.items()}
        recipe = {"fallbacks": list(self.recipe.fallbacks), "float_columns": columns}
        return own | mappings | {"state": self.state} | recipe


@dataclass(frozen=True)
class CompleteTrial(Trial):
    """A trial that was evaluated to its end, with a finite value."""

    value: float


def trial_from(fields: Mapping[str, Any]) -> Trial:
    """The trial that has these fields: a complete one if there is a value.

    Raises:
        KeyError, TypeError: one is missing, or unknown.
    """
    return Trial(**fields) if fields["value"] is None else CompleteTrial(**fields)


def complete(trials: Iterable[Trial]) -> list[CompleteTrial]:
    """Those that have a value."""
    return [trial for trial in trials if isinstance(trial, CompleteTrial)]


def as_complete(trial: Trial) -> CompleteTrial:
    """The trial itself.

    Raises:
        ValueError: it has no value.
    """
    if not isinstance(trial, CompleteTrial):
        raise ValueError(f"Trial {trial.number} was not evaluated to its end.")
    return trial


def predicted_classes(predictions: Any, labels: Any = None) -> np.ndarray | None:
    """The class of each row, or its set of labels, from logits; None for a regression or unknown shapes.

    Args:
        predictions: logits [rows, ..., classes], class ids [rows, ...], or a tuple that starts with either, as
            encoder-decoder classifiers return.
        labels: those of the rows; 0 or 1 for each logit makes the task a multi-label one.

    Returns:
        Integers [rows, ...]; of a multi-label task [rows, labels], 1 where a label's probability is above one half.
    """
    first = first_array(predictions)
    if first is None or np.issubdtype(first.dtype, np.integer):
        return first
    if are_label_sets(labels, first):
        are_probabilities = bool(((first >= 0) & (first <= 1)).all())
        return (first > (0.5 if are_probabilities else 0)).astype(np.int64)
    if first.ndim < 2 or first.shape[-1] < 2 or are_numbers(labels, first):
        return None
    return first.argmax(axis=-1)


def predicted_numbers(predictions: Any, labels: Any = None) -> np.ndarray | None:
    """What a regression predicts: floats [rows], from [rows] or [rows, 1]; [rows, numbers] if labels are so many.

    None for other shapes.
    """
    first = first_array(predictions)
    if first is None or not np.issubdtype(first.dtype, np.floating):
        return None
    if are_numbers(labels, first):
        return first
    return first.reshape(-1) if first.shape in ((len(first),), (len(first), 1)) else None


def predicted_answers(predictions: Any, labels: Any = None) -> np.ndarray | None:
    """Classes or sets of labels, or else the numbers of a regression."""
    classes = predicted_classes(predictions, labels)
    return predicted_numbers(predictions, labels) if classes is None else classes


def first_array(predictions: Any) -> np.ndarray | None:
    """The array that answers are in: the predictions, or the first of several; None if that is no array of rows."""
    first = predictions[0] if isinstance(predictions, (tuple, list)) and predictions else predictions
    return first if isinstance(first, np.ndarray) and first.ndim else None
