"""Where a search starts: the recipe with everything in int8 that may be, and the strategy for what is left free."""

from dataclasses import dataclass

from nc_trainer.config import QuantizationConfig, TuningConfig
from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.float_parts import float_dtype
from nc_trainer.int8.proof import proven, without_refused
from nc_trainer.search.constraints import Constraints, constrain_model
from nc_trainer.search.search import Search
from nc_trainer.search.strategies import Strategy, make_strategy
from nc_trainer.search.strategies.agreeing import Agreeing
from nc_trainer.search.strategies.constrained import Constrained
from nc_trainer.search.strategies.float_dtype import NarrowFloat


@dataclass(frozen=True)
class Start:
    """The first proposal, what proposes the others, and what was not applied to the model and why."""

    recipe: Recipe
    strategy: Strategy
    notes: tuple[str, ...] = ()


def starting_point(search: Search) -> Start:
    """What the configuration fixes is fixed in the recipe, and the strategy is shown the rest.

    What can be int8, fused and left out is proven on the model, which is left in float.

    Raises:
        ConfigError: the configuration does not fit the model.
    """
    wanted = search.config.quantization
    strategy = make_strategy(search.config.tuning.strategy.name)
    stops_when_found = not search.config.tuning.exit_policy.timeout
    constraints, notes = allowed_modules(search)
    recipe = constraints.recipe.with_rest_in(float_dtype(wanted.float_dtype))
    if constraints.free != tuple(recipe.modules):
        strategy = Constrained(strategy, constraints.free)
    proof = proven(search.swapper, recipe, search.rows.example())
    if _may_widen(wanted, proof.recipe):
        strategy = NarrowFloat(strategy, stops_when_found)
    strategy = Agreeing(strategy, constraints.free, stops_when_found)
    return Start(proof.recipe, strategy, (*notes, *proof.notes))


def allowed_modules(search: Search) -> tuple[Constraints, tuple[str, ...]]:
    """What the configuration and the model's own code let be int8, and notes on what the latter does not.

    Raises:
        ConfigError: the configuration does not fit the model.
    """
    able, notes = without_refused(search.swapper, search.recipe, search.rows.example())
    return constrain_model(search.config.quantization, able, search.model), notes


def expected_trials(start: Start, config: TuningConfig) -> int:
    """About how many trials there will be."""
    return min(start.strategy.expected_trials(len(start.recipe.modules)), config.tuning.exit_policy.max_trials)


def _may_widen(wanted: QuantizationConfig, recipe: Recipe) -> bool:
    """A narrow float dtype that nobody insists on is given up where the criterion does not allow it."""
    return wanted.float_dtype == "auto" and recipe.float_dtype != "float32"
