"""What a strategy sees and what it gives back."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

from nc_trainer.recipe import Recipe
from nc_trainer.tuning.trial import Trial

Proposals = Generator[Recipe, Trial, None]


@dataclass(frozen=True)
class SearchSpace:
    """What may be searched.

    `recipe` has everything in int8 that can be; `ranking()` names its modules, the most damaging first. It costs
    some forward passes at the first call and nothing after.
    """

    recipe: Recipe
    ranking: Callable[[], list[str]]


class Strategy(Protocol):
    """Proposes recipes. It runs nothing: every `yield` of a recipe is answered by the trial that judged it."""

    finishes_itself: bool
    """Whether it ends soon after its first acceptable recipe and is to be let end, rather than stopped there."""

    def proposals(self, space: SearchSpace) -> Proposals:
        """Yield recipes, receive trials, return when there is nothing left to try."""

    def expected_trials(self, modules: int) -> int:
        """About how many trials a full search takes, for the progress line."""
