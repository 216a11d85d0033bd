"""Training a model that will be int8: modules compute what their int8 counterparts do, and pass gradients through."""

from nc_trainer.int8.training.fake_quantize import FAKE_QUANTIZED, fake_quantize

__all__ = ["FAKE_QUANTIZED", "fake_quantize"]
