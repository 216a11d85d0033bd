"""torch's quantized tensors as int8 rows with a scale each."""

import torch
from torch import Tensor

from nc_trainer.int8.ops import INT8_MAX, quantize_rows

PER_TENSOR = (torch.per_tensor_affine, torch.per_tensor_symmetric)


def symmetric_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix that torch quantized, per row or as a whole, in our scheme.

    Symmetric int8 codes stay as they are, but for -128, which becomes -127: the observer of symmetric weights divides
    by 127.5, so that the value behind -128 lies in the middle between the two. Everything else is quantized again.

    Args:
        weight: [rows, columns], qint8 or quint8.

    Returns:
        codes: [rows, columns] int8 in [-127, 127], and scales: [rows] fp32.
    """
    if not _is_symmetric(weight):
        return quantize_rows(weight.dequantize())
    codes = weight.int_repr().clamp(min=-INT8_MAX)
    if weight.qscheme() in PER_TENSOR:
        return codes, torch.full((len(codes),), weight.q_scale())
    return codes, weight.q_per_channel_scales().float()


def _is_symmetric(weight: Tensor) -> bool:
    if weight.dtype != torch.qint8:
        return False
    if weight.qscheme() in PER_TENSOR:
        return weight.q_zero_point() == 0
    return weight.q_per_channel_axis() == 0 and not bool(weight.q_per_channel_zero_points().any())
