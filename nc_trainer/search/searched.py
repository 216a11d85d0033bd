"""What a search leaves: its outcome, and what that rests on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nc_trainer.config.recipe import Recipe
from nc_trainer.explain import Explanations
from nc_trainer.search.conclusion import StudyResult
from nc_trainer.search.float_reference import Reference


@dataclass(frozen=True)
class Searched:
    """A search that has ended.

    Attributes:
        recipe: everything in int8 that may be.
        reference: the float model, and what was asked for.
        result: the outcome.
        classes: predicted classes of trials, by number, of the rows that were seen; of a regression its numbers.
        ranking: damage by module name, None where the search did not need it.
        rank: computes the ranking if it is not there.
        calls: of each module in one forward pass.
        seconds: what the search took.
        explanations: of the chosen trial's predictions, where they were asked for.
    """

    recipe: Recipe
    reference: Reference
    result: StudyResult
    classes: Mapping[int, np.ndarray]
    ranking: Mapping[str, float] | None
    rank: Callable[[], Mapping[str, float]]
    calls: Mapping[str, int]
    seconds: float
    explanations: Explanations | None = None
