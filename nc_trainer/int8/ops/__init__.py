"""int8 arithmetic: quantization of rows, and the operator `int8_linear` with its engines."""

from nc_trainer.int8.ops.activations import ACTIVATIONS
from nc_trainer.int8.ops.engines import current_engine, use_engine
from nc_trainer.int8.ops.int8_linear import int8_linear, int8_linears
from nc_trainer.int8.ops.quantize_rows import INT8_MAX, dequantize_rows, quantize_rows

__all__ = [
    "ACTIVATIONS",
    "INT8_MAX",
    "current_engine",
    "dequantize_rows",
    "int8_linear",
    "int8_linears",
    "quantize_rows",
    "use_engine",
]
