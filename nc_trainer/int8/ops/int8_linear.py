"""The operators `int8_linear` and `int8_linears`: one node for torch.compile and torch.export, engines behind them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.ops.activations import ACTIVATIONS
from nc_trainer.int8.ops.engines import current_engine, native
from nc_trainer.int8.ops.packing import is_packed, plain


def int8_linear(
    x: Tensor, qweight: Tensor, scale: Tensor, bias: Tensor | None = None, activation: str = "none"
) -> Tensor:
    """`activation(dequantize(quantize(x) @ qweight.T) + bias)`.

    Activations are quantized per token and weights per channel, both symmetric to [-127, 127]; products are
    summed in int32 and nothing saturates. In fp32, `y = (acc * scale) * row_scale + bias`, rounded after each
    step, with the same bits from every engine; gelu, silu and tanh differ between engines by less than 2e-6 of
    max(1, |y|). A row of `x` that holds NaN or infinity gives a row of NaN.

    Args:
        x: [..., K], fp32, fp16 or bf16.
        qweight: [N, K] int8.
        scale: [N] fp32, per channel.
        bias: [N] fp32 or None.
        activation: a name in `nc_trainer.int8.ops.ACTIVATIONS`.

    Returns:
        [..., N] in the dtype of `x`.

    Raises:
        QuantizationError: shapes do not fit, or the activation is unknown.
    """
    return int8_linears(x, [qweight], [scale], [bias], activation)[0]


def int8_linears(
    x: Tensor,
    qweights: Sequence[Tensor],
    scales: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activation: str = "none",
    rows: Tensor | None = None,
) -> list[Tensor]:
    """`int8_linear` of one input with several weights: its rows are quantized once.

    Args:
        x: [..., K].
        qweights: [N, K] int8 each, or what `packing.pack` makes of it, which is faster; N may differ.
        scales: [N] fp32 each.
        biases: [N] fp32 or None each.
        activation: of all outputs, see `int8_linear`.
        rows: int64 numbers of the rows to compute, x being taken as [M, K]; the others are zero. None: all.

    Returns:
        [..., N] for each weight, in the dtype of `x`.

    Raises:
        QuantizationError: shapes do not fit, or the activation is unknown.
    """
    if not torch.compiler.is_compiling():
        return _int8_linears(x, qweights, scales, biases, activation, rows)
    if x.dtype != torch.float16 and not torch.compiler.is_exporting() and _is_native():
        # Straight to the kernels: the way through Python costs as much as a small layer.
        return torch.ops.nc_trainer_native.int8_linears(x, qweights, scales, biases, activation, rows)
    return torch.ops.nc_trainer.int8_linears(x, qweights, scales, biases, activation, rows)


def packs_weights() -> bool:
    """Whether the engine in force is faster with packed weights."""
    return current_engine().NAME == native.NAME


@torch.compiler.assume_constant_result
def _is_native() -> bool:
    return packs_weights()


def _int8_linears(
    x: Tensor,
    qweights: Sequence[Tensor],
    scales: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activation: str,
    rows: Tensor | None = None,
) -> list[Tensor]:
    engine = current_engine()
    if engine.NAME != native.NAME:
        qweights = [plain(qweight, scale, x) for qweight, scale in zip(qweights, scales, strict=True)]
    _check(x, qweights, activation)
    if x.dtype != torch.float16:
        return engine.int8_linears(x, qweights, scales, biases, activation, rows)
    # Engines know fp32 and bf16.
    return [y.to(x.dtype) for y in engine.int8_linears(x.float(), qweights, scales, biases, activation, rows)]


def _check(x: Tensor, qweights: Sequence[Tensor], activation: str) -> None:
    if activation not in ACTIVATIONS:
        raise QuantizationError(f"int8_linear: activation `{activation}` is not one of {list(ACTIVATIONS)}.")
    for qweight in qweights:
        if not is_packed(qweight) and x.shape[-1] != qweight.shape[1]:
            raise QuantizationError(f"int8_linear: x has {x.shape[-1]} features, qweight expects {qweight.shape[1]}.")


_operator = torch.library.custom_op(
    "nc_trainer::int8_linears",
    _int8_linears,
    mutates_args=(),
    device_types="cpu",
    schema="(Tensor x, Tensor[] qweights, Tensor[] scales, Tensor?[] biases, str activation, Tensor? rows=None) "
    "-> Tensor[]",
)


_operator.register_fake(native.fake_int8_linears)
