"""Fall back along the curvature of the loss."""

from nc_trainer.search.strategies.accumulate import keep_all
from nc_trainer.search.strategies.base import Proposals, SearchSpace, most_damaging_first


class HAWQv2:
    """Accumulates reversions in the order of how much int8 weights are expected to cost the loss.

    1. Everything in int8.
    2. Modules are ordered by the average trace of the Hessian of the loss by their weight, times the squared error
       of the int8 weight, the largest first. It needs labelled calibration rows, and a few double backward passes
       over them.
    3. Reversions are accumulated in that order, and none is undone; the float model is left out.

    Errors of int8 activations are not seen by this order. Costs up to `modules` evaluations.

    Source: Dong et al., "HAWQ-V2: Hessian aware trace-weighted quantization of neural networks" (2020); the strategy
    `hawq_v2` of Neural Compressor 2.x, which orders by the trace alone.
    """

    finishes_itself = False
    needs_values = False

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        trial = yield space.recipe
        if trial.accepted:
            return
        order = most_damaging_first(space.hessian_sensitivities())
        yield from keep_all(space, order[:-1])

    def expected_trials(self, modules: int) -> int:
        """All steps."""
        return modules
