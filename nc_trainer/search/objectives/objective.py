"""Which accepted trial is best: objectives that are measured, weighed and compared with the float model's."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nc_trainer.errors import QuantizationError
from nc_trainer.search.trial import Trial

ERROR = "_error"
"""Ends the name under which the error of an objective is recorded, where it has one."""


class Reading(NamedTuple):
    """What was measured, and by how much it may be off."""

    value: float
    error: float = 0.0


@dataclass(frozen=True)
class Objective:
    """One number that is measured on an accepted trial, and first on the float model.

    Attributes:
        name: stands in the trial's record and in the table.
        measure: called when the model is in the trial's recipe, which it leaves it in.
        higher_is_better: its direction.
        costly: whether measuring takes forward passes: then it is done only when it can change what is chosen.
    """

    name: str
    measure: Callable[[Trial], Reading]
    higher_is_better: bool = False
    costly: bool = False


@dataclass(frozen=True)
class Goal:
    """Weighted objectives. The score of a trial is the weighted mean of its gains over the float model.

    A gain is a relative change for the better, (value - float value) / |float value|, or the difference alone where
    the float model's value is 0. It does not depend on which other trials there are.
    """

    objectives: tuple[Objective, ...]
    weights: tuple[float, ...]

    @property
    def name(self) -> str:
        """The objectives' names."""
        return " and ".join(objective.name for objective in self.objectives)

    @property
    def names(self) -> frozenset[str]:
        """What `measure` returns, errors aside."""
        return frozenset(objective.name for objective in self.objectives)

    @property
    def costly(self) -> bool:
        """Whether one of the objectives is."""
        return any(objective.costly for objective in self.objectives)

    def measure(self, trial: Trial) -> dict[str, float]:
        """Every objective of the model as it stands, by name, and the errors of those that have one.

        Raises:
            QuantizationError: an objective is not a finite number.
        """
        found: dict[str, float] = {}
        for objective in self.objectives:
            value, error = objective.measure(trial)
            if not math.isfinite(value):
                raise QuantizationError(
                    f"The objective `{objective.name}` of trial {trial.number} is {value}: not a number."
                )
            found |= {objective.name: value} | ({objective.name + ERROR: error} if error else {})
        return found

    def best(self, measured: Sequence[Mapping[str, float]], float_values: Mapping[str, float]) -> list[int]:
        """Indices of those of `measured` that the best does not beat by more than the errors of both."""
        scores = [self.score(values, float_values) for values in measured]
        errors = [self._error(values, float_values) for values in measured]
        top = max(range(len(measured)), key=lambda index: scores[index])
        least = scores[top] - errors[top]
        return [index for index in range(len(measured)) if index == top or scores[index] + errors[index] >= least]

    def score(self, values: Mapping[str, float], float_values: Mapping[str, float]) -> float:
        """Larger is better; 0 is as good as the float model."""
        return self._mean([_gain(o, values[o.name], float_values[o.name]) for o in self.objectives])

    def _error(self, values: Mapping[str, float], float_values: Mapping[str, float]) -> float:
        names = [objective.name for objective in self.objectives]
        return self._mean([values.get(name + ERROR, 0.0) / (abs(float_values[name]) or 1.0) for name in names])

    def _mean(self, values: list[float]) -> float:
        return sum(w * value for w, value in zip(self.weights, values, strict=True)) / sum(self.weights)


def _gain(objective: Objective, value: float, float_value: float) -> float:
    difference = value - float_value if objective.higher_is_better else float_value - value
    return difference / abs(float_value) if float_value else difference
