"""Ever more fallbacks along the ranking, whatever was accepted: something to choose from."""

import math

from nc_trainer.search.strategies.base import Proposals, SearchSpace


class Ranked:
    """Everything in int8, then the 1, 2, 4, 8, ... most damaging modules in float.

    For searches that an objective decides, such as `shapley_mse`, under a timeout: other strategies of ours end when
    everything in int8 is accepted, and leave nothing to choose from. Damage is the squared error that a module alone
    causes in the logits, without labels, as in `basic`.

    Costs log2(modules) + 1 evaluations.

    Source: ours.
    """

    finishes_itself = False
    needs_values = False

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        yield space.recipe
        ranking, fallbacks = space.ranking(), 1
        while fallbacks < len(ranking):
            yield space.recipe.with_fallbacks(ranking[:fallbacks])
            fallbacks *= 2

    def expected_trials(self, modules: int) -> int:
        """All of them."""
        return 1 + math.ceil(math.log2(max(modules, 2)))
