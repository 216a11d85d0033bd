"""Fall back by what mends the logits most, then take back what mends them least."""

from collections.abc import Generator

from nc_trainer.config.recipe import Recipe
from nc_trainer.search.strategies.base import Proposals, SearchSpace
from nc_trainer.search.trial import Trial


class MSEv2:
    """Reverts the module that mends the logits most, again and again, then re-quantizes what matters least.

    1. Everything in int8.
    2. Until the goal is met: of the modules still in int8, the one whose reversion leaves the smallest mean squared
       error in the logits falls back. The order is found anew after every step, so that it knows how modules act
       together.
    3. While the goal is met: of the reverted modules, the one whose re-quantization leaves the smallest error becomes
       int8 again. The last recipe that meets the goal is the result.

    Costs 1 + reverted + re-quantized evaluations, and about `modules` passes over a few calibration batches before
    each of them.

    Source: the strategy `mse_v2` of Neural Compressor 2.x (neural_compressor/strategy/mse_v2.py).
    """

    finishes_itself = True
    needs_values = False

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        trial = yield space.recipe
        if trial.accepted:
            return
        steps = yield from _until_the_goal_is_met(space)
        if steps:
            yield from _until_the_goal_breaks(space, steps)

    def expected_trials(self, modules: int) -> int:
        """If a quarter of the modules falls back and half of that is taken back."""
        return 2 + modules * 3 // 8


def _until_the_goal_is_met(space: SearchSpace) -> Generator[Recipe, Trial, list[Recipe]]:
    """Every recipe proposed, the last of them accepted; none if only the float model would do."""
    steps = [space.recipe]
    while len(steps[-1].quantized) > 1:
        last = steps[-1]
        candidates = [last.with_fallbacks([*last.fallbacks, name]) for name in last.quantized]
        steps.append(min(candidates, key=space.logits_damage))
        trial = yield steps[-1]
        if trial.accepted:
            return steps
    return []


def _until_the_goal_breaks(space: SearchSpace, judged: list[Recipe]) -> Proposals:
    """Re-quantize from the last of the judged recipes on, which is accepted."""
    while True:
        fallbacks = judged[-1].fallbacks
        fewer = [space.recipe.with_fallbacks(set(fallbacks) - {name}) for name in fallbacks]
        candidates = [recipe for recipe in fewer if recipe not in judged]
        if not candidates:
            return
        judged.append(min(candidates, key=space.logits_damage))
        trial = yield judged[-1]
        if not trial.accepted:
            return
