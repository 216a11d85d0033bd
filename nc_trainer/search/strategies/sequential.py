"""Neural Compressor's `basic`, as it was: the yardstick."""

from nc_trainer.search.strategies.accumulate import keep_all, keep_what_helps
from nc_trainer.search.strategies.base import Proposals, SearchSpace, most_damaging_first


class Sequential:
    """Measures what each module's reversion does to the metric, then accumulates reversions in that order.

    1. Everything in int8.
    2. Each module alone in float, the last module first. Its metric orders what follows, the best first.
    3. Reversions are accumulated in that order; one that does not make the metric strictly better is undone.
    4. Reversions are accumulated in that order from the start, and none is undone, to the last module: the float
       model.

    Costs up to 3 * modules - 2 evaluations: 1, modules, modules - 1 (the first is known from step 2) and modules - 2
    (the first two are known).

    Source: the strategy `basic` of Neural Compressor 1.14 (neural_compressor/strategy/basic.py), for one scheme and
    one fallback dtype.
    """

    finishes_itself = False
    needs_values = True

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        start = yield space.recipe
        alone = {}
        for name in reversed(space.recipe.quantized):
            alone[name] = space.margin((yield space.recipe.with_fallbacks([name])))
        order = most_damaging_first(alone)
        yield from keep_what_helps(space, order, start)
        yield from keep_all(space, order)

    def expected_trials(self, modules: int) -> int:
        """All four steps."""
        return 3 * modules - 2
