"""Fusions: what can be computed in one call, found by watching a forward pass and applied by a recipe."""

from nc_trainer.int8.fusion.apply import fuse
from nc_trainer.int8.fusion.find import with_fusions

__all__ = ["fuse", "with_fusions"]
