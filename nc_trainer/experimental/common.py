"""`common` of Neural Compressor 1.x."""

from nc_trainer.compat.common import Metric, Model

__all__ = ["Metric", "Model"]
