"""Directories that other programs wrote: Neural Compressor's are read, the rest is named with what to do."""

from nc_trainer.hub.foreign.kinds import STATE_FILES, Kind, kind_of, refuse
from nc_trainer.hub.foreign.neural_compressor import load_neural_compressor

__all__ = ["STATE_FILES", "Kind", "kind_of", "load_neural_compressor", "refuse"]
