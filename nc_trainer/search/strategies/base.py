"""What a strategy sees and what it gives back."""

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.trial import CompleteTrial, Trial

Proposals = Generator[Recipe, Trial, None]


def _not_given(name: str) -> Callable[..., NoReturn]:
    def refuse(*args: object) -> NoReturn:
        raise QuantizationError(f"This strategy needs `{name}`: give it to the SearchSpace, or use another strategy.")

    return refuse


def _value(trial: Trial) -> float:
    return trial.value if isinstance(trial, CompleteTrial) else -math.inf


@dataclass(frozen=True)
class SearchSpace:
    """What may be searched, and what can be known about it without an evaluation.

    The functions cost forward passes when they are called, and nothing before; a strategy calls those that it needs.

    Attributes:
        recipe: has everything in int8 that can be.
        ranking: names of its modules, the most damaging first, damage being the squared error that the module alone
            causes in the logits. Nothing is computed after the first call.
        activation_errors: error of each module's output, by name; see `calibration.activation`.
        logits_damage: mean squared error of the logits under a recipe against those of the float model; see
            `calibration.damage`.
        hessian_sensitivities: by name, how much the loss is expected to grow; see `calibration.hessian`.
        margin: by how much a trial's metric is better than the criterion asks for, in the metric's unit, negative
            where it is worse; -inf for a trial without a value. Without it the metric itself, larger being better.
        float_columns: by the name of a module that does much damage, columns of its input with which in float it does
            little; see `calibration.column_choice`.
        weights: number of weights of each module; modules that are left out count 1.
        kinds: type of each module, e.g. `Linear`; for modules that are left out, the precision they take.
        seed: of everything random.
    """

    recipe: Recipe
    ranking: Callable[[], list[str]]
    activation_errors: Callable[[], Mapping[str, float]] = field(default=_not_given("activation_errors"))
    logits_damage: Callable[[Recipe], float] = field(default=_not_given("logits_damage"))
    hessian_sensitivities: Callable[[], Mapping[str, float]] = field(default=_not_given("hessian_sensitivities"))
    margin: Callable[[Trial], float] = _value
    float_columns: Callable[[], Mapping[str, tuple[int, ...]]] = dict
    weights: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        modules = self.recipe.modules
        object.__setattr__(self, "weights", {name: self.weights.get(name, 1) for name in modules})
        kinds = {name: self.kinds.get(name, precision.value) for name, precision in modules.items()}
        object.__setattr__(self, "kinds", kinds)


class Strategy(Protocol):
    """Proposes recipes. It runs nothing: every `yield` of a recipe is answered by the trial that judged it.

    A recipe that is proposed again is answered by its first trial and costs nothing.

    A class attribute `needs_values = False` says that it looks at `Trial.accepted` only and not at values: then a
    trial may be stopped as soon as it is certain to be refused, and has no value. Without it every trial is evaluated
    to its end.
    """

    finishes_itself: bool
    """Whether it ends soon after its first acceptable recipe and is to be let end, rather than stopped there."""

    def proposals(self, space: SearchSpace) -> Proposals:
        """Yield recipes, receive trials, return when there is nothing left to try."""

    def expected_trials(self, modules: int) -> int:
        """About how many trials a full search takes, for the progress line."""


def needs_values(strategy: Strategy) -> bool:
    """Whether it compares the metrics of trials that were refused."""
    return bool(getattr(strategy, "needs_values", True))


def answered(proposals: Proposals, trial: Trial) -> Recipe | None:
    """The next proposal, None after the last."""
    try:
        return proposals.send(trial)
    except StopIteration:
        return None


def margin(criterion: Criterion, baseline: float) -> Callable[[Trial], float]:
    """What `SearchSpace.margin` is under this criterion.

    Args:
        baseline: the float model's metric.
    """
    key = criterion.metric.key
    threshold = key(criterion.threshold(baseline))
    return lambda trial: key(trial.value) - threshold if isinstance(trial, CompleteTrial) else -math.inf


def most_damaging_first(damage: Mapping[str, float]) -> list[str]:
    """Names by falling damage; equals keep their order."""
    return sorted(damage, key=lambda name: damage[name], reverse=True)
