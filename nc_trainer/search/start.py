"""Where a search starts: the recipe with everything in int8 that may be, and the strategy for what is left free."""

from dataclasses import dataclass

from nc_trainer.config import QuantizationConfig, TuningConfig
from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.float_parts import float_dtype
from nc_trainer.int8.fusion import with_fusions
from nc_trainer.int8.padding import with_padding_skipped
from nc_trainer.search.constraints import constrain_model
from nc_trainer.search.search import Search
from nc_trainer.search.strategies import Strategy, make_strategy
from nc_trainer.search.strategies.constrained import Constrained
from nc_trainer.search.strategies.float_dtype import NarrowFloat


@dataclass(frozen=True)
class Start:
    """The first proposal, and what proposes the others."""

    recipe: Recipe
    strategy: Strategy


def starting_point(search: Search) -> Start:
    """What the configuration fixes is fixed in the recipe, and the strategy is shown the rest.

    Forward passes over one row show what can be fused and whether padding counts; the model is left in float.

    Raises:
        ConfigError: the configuration does not fit the model.
    """
    wanted, example = search.config.quantization, search.rows.example()
    strategy = make_strategy(search.config.tuning.strategy.name)
    constraints = constrain_model(wanted, search.recipe, search.model)
    recipe = constraints.recipe.with_float_dtype(float_dtype(wanted.float_dtype))
    if constraints.free != tuple(recipe.modules):
        strategy = Constrained(strategy, constraints.free)
    if _may_widen(wanted, recipe):
        strategy = NarrowFloat(strategy, stops_when_found=not search.config.tuning.exit_policy.timeout)
    fused = with_fusions(search.model, recipe, example)
    return Start(with_padding_skipped(search.swapper, fused, example), strategy)


def expected_trials(start: Start, config: TuningConfig) -> int:
    """About how many trials there will be."""
    return min(start.strategy.expected_trials(len(start.recipe.modules)), config.tuning.exit_policy.max_trials)


def _may_widen(wanted: QuantizationConfig, recipe: Recipe) -> bool:
    """A narrow float dtype that nobody insists on is given up where the criterion does not allow it."""
    return wanted.float_dtype == "auto" and recipe.float_dtype != "float32"
