"""`OptimizedModel` and `save_for_huggingface_upstream` where Neural Compressor had them."""

from nc_trainer.compat.load_huggingface import OptimizedModel, save_for_huggingface_upstream

__all__ = ["OptimizedModel", "save_for_huggingface_upstream"]
