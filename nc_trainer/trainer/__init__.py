"""Everything that knows Trainer: the mixin, and how a trainer's data and evaluations reach a search or a benchmark."""

from nc_trainer.trainer.mixin import QuantizationMixin, QuantizationTrainer

__all__ = ["QuantizationMixin", "QuantizationTrainer"]
