"""The search by its earlier name: `from nc_trainer.tuning import register_strategy`."""

from nc_trainer.search import *  # noqa: F403
from nc_trainer.search import __all__ as __all__
