"""Search strategies by name. A new one is a class like those here, and a line in the table.

A user's own strategy is registered instead:

    @register_strategy("mine")
    class Mine:
        ...
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from nc_trainer.errors import ConfigError
from nc_trainer.search.strategies.base import Proposals, SearchSpace, Strategy, margin
from nc_trainer.search.strategies.basic import Basic
from nc_trainer.search.strategies.conservative import Conservative
from nc_trainer.search.strategies.exhaustive import Exhaustive
from nc_trainer.search.strategies.hawq_v2 import HAWQv2
from nc_trainer.search.strategies.mse import MSE
from nc_trainer.search.strategies.mse_v2 import MSEv2
from nc_trainer.search.strategies.optuna_search import TPE, Bayesian
from nc_trainer.search.strategies.random_search import Random
from nc_trainer.search.strategies.ranked import Ranked
from nc_trainer.search.strategies.sequential import Sequential

StrategyClass = TypeVar("StrategyClass", bound=type[Strategy])

STRATEGIES: dict[str, type[Strategy]] = {
    "basic": Basic,
    "bayesian": Bayesian,
    "conservative": Conservative,
    "exhaustive": Exhaustive,
    "hawq_v2": HAWQv2,
    "mse": MSE,
    "mse_v2": MSEv2,
    "random": Random,
    "ranked": Ranked,
    "sequential": Sequential,
    "tpe": TPE,
}


def register_strategy(name: str) -> Callable[[StrategyClass], StrategyClass]:
    """A class decorator that makes a strategy known as `name`. See `Strategy` for what the class needs.

    Raises:
        ConfigError: the name is taken, or the class lacks something.
    """

    def register(strategy: StrategyClass) -> StrategyClass:
        if name in STRATEGIES:
            taken = STRATEGIES[name].__qualname__
            raise ConfigError(f"The strategy `{name}` exists already ({taken}): register yours under another name.")
        missing = [part for part in ("proposals", "expected_trials", "finishes_itself") if not hasattr(strategy, part)]
        if missing:
            raise ConfigError(f"{strategy.__qualname__} is no strategy, it lacks {missing}: see the class `Basic`.")
        STRATEGIES[name] = strategy
        return strategy

    return register


def make_strategy(name: str, **options: Any) -> Strategy:
    """The strategy of this name, made with `options`.

    Raises:
        ConfigError: no strategy is registered under it, it takes no such options, or it needs a package that is not
            installed.
    """
    if name not in STRATEGIES:
        raise ConfigError(f"tuning.strategy.name: unknown strategy `{name}`, expected one of {sorted(STRATEGIES)}.")
    strategy = STRATEGIES[name]
    try:
        inspect.signature(strategy).bind(**options)
    except TypeError as error:
        raise ConfigError(f"tuning.strategy: options of `{name}`: {error}.") from None
    return strategy(**options)


__all__ = ["STRATEGIES", "Proposals", "SearchSpace", "Strategy", "make_strategy", "margin", "register_strategy"]
