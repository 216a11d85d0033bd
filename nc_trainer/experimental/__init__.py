"""The names of Neural Compressor 1.x: `from nc_trainer.experimental import Benchmark, Quantization, common`."""

from nc_trainer.experimental import common
from nc_trainer.experimental.benchmark import Benchmark
from nc_trainer.experimental.quantization import Quantization

__all__ = ["Benchmark", "Quantization", "common"]
