"""Quantization-aware training, as Neural Compressor 2.x had it: `from nc_trainer.training import fit`."""

from nc_trainer.compat.compression_manager import CompressionManager, fit, prepare_compression

__all__ = ["CompressionManager", "fit", "prepare_compression"]
