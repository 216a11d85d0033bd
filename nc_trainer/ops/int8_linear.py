"""The operator `nc_trainer::int8_linear`: one node for torch.compile and torch.export, engines behind it."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nc_trainer.errors import QuantizationError
from nc_trainer.ops.engines import current_engine

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda y: y,
    "gelu": F.gelu,
    "gelu_tanh": lambda y: F.gelu(y, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


@torch.library.custom_op("nc_trainer::int8_linear", mutates_args=(), device_types="cpu")
def int8_linear(x: Tensor, qweight: Tensor, scale: Tensor, bias: Tensor | None, activation: str = "none") -> Tensor:
    """`activation(dequantize(quantize(x) @ qweight.T) + bias)`.

    Activations are quantized per token and weights per channel, both symmetric to [-127, 127]; products are
    summed in int32 and nothing saturates. In fp32, `y = (acc * scale) * row_scale + bias`, rounded after each
    step, with the same bits from every engine. A row of `x` that holds NaN or infinity gives a row of NaN.

    Args:
        x: [..., K], fp32, fp16 or bf16.
        qweight: [N, K] int8.
        scale: [N] fp32, per channel.
        bias: [N] fp32 or None.
        activation: none, gelu, gelu_tanh, relu, silu or tanh.

    Returns:
        [..., N] in the dtype of `x`.

    Raises:
        QuantizationError: shapes do not fit, or the activation is unknown.
    """
    if x.shape[-1] != qweight.shape[1]:
        raise QuantizationError(f"int8_linear: x has {x.shape[-1]} features, qweight expects {qweight.shape[1]}.")
    if activation not in ACTIVATIONS:
        raise QuantizationError(f"int8_linear: activation `{activation}` is not one of {list(ACTIVATIONS)}.")
    rows = x.reshape(-1, x.shape[-1]) if x.numel() else x.new_zeros(x[..., 0].numel(), x.shape[-1])
    if x.dtype == torch.float16:  # engines know fp32 and bf16
        rows = rows.float()
    y = ACTIVATIONS[activation](current_engine().int8_linear(rows, qweight, scale, bias))
    return y.to(x.dtype).reshape(*x.shape[:-1], qweight.shape[0])


@int8_linear.register_fake
def _(x: Tensor, qweight: Tensor, scale: Tensor, bias: Tensor | None, activation: str = "none") -> Tensor:
    return x.new_empty((*x.shape[:-1], qweight.shape[0]))
