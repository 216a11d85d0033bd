"""The names of Neural Compressor 1.x: `from nc_trainer.experimental import Benchmark, Quantization, common`."""

from nc_trainer.compat.benchmark_1x import Benchmark
from nc_trainer.compat.quantization_1x import Quantization
from nc_trainer.experimental import common

__all__ = ["Benchmark", "Quantization", "common"]
