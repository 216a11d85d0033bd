"""compressed-tensors, the format of llm-compressor and vLLM: int8 models of ours in it, and its W8A8 models here."""

from nc_trainer.hub.compressed_tensors.read import load_compressed_tensors
from nc_trainer.hub.compressed_tensors.scheme import METHOD, why_not_w8a8
from nc_trainer.hub.compressed_tensors.write import save_compressed_tensors

__all__ = ["METHOD", "load_compressed_tensors", "save_compressed_tensors", "why_not_w8a8"]
