"""Fall back along the error of each module's output."""

from nc_trainer.search.strategies.accumulate import keep_all, keep_what_helps
from nc_trainer.search.strategies.base import Proposals, SearchSpace, most_damaging_first


class MSE:
    """Accumulates reversions in the order of the modules' output errors.

    1. Everything in int8.
    2. Modules are ordered by the mean squared error between their output in the float model and in the int8 model,
       both scaled to [0, 1], the largest first. That takes two passes over the calibration batches.
    3. Reversions are accumulated in that order; one that does not make the metric strictly better is undone.
    4. Reversions are accumulated in that order from the start, and none is undone; the float model is left out.

    Costs up to 2 * modules - 1 evaluations.

    Source: the strategy `mse` of Neural Compressor 1.x (neural_compressor/strategy/mse.py), which did not support
    PyTorch.
    """

    finishes_itself = False
    needs_values = True

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        start = yield space.recipe
        if start.accepted:
            return
        order = most_damaging_first(space.activation_errors())
        yield from keep_what_helps(space, order, start)
        yield from keep_all(space, order[:-1])

    def expected_trials(self, modules: int) -> int:
        """All steps."""
        return 2 * modules - 1
