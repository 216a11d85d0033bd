"""Search strategies by name. A new one is a class with `proposals` and a line in the table."""

from nc_trainer.errors import ConfigError
from nc_trainer.tuning.strategies.base import Proposals, SearchSpace, Strategy
from nc_trainer.tuning.strategies.basic import Basic

STRATEGIES: dict[str, type[Strategy]] = {"basic": Basic}


def make_strategy(name: str) -> Strategy:
    """The strategy of this name.

    Raises:
        ConfigError: no strategy is registered under it.
    """
    if name not in STRATEGIES:
        raise ConfigError(f"tuning.strategy.name: unknown strategy `{name}`, expected one of {sorted(STRATEGIES)}.")
    return STRATEGIES[name]()


__all__ = ["STRATEGIES", "Proposals", "SearchSpace", "Strategy", "make_strategy"]
