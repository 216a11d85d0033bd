"""`quantization.fit`, as Neural Compressor 2.x called a search: `from nc_trainer import quantization`."""

from nc_trainer.compat.quantization_2x import fit

__all__ = ["fit"]
