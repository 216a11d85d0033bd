"""The operator `nc_trainer::attention`: softmax attention on the CPU, in bf16 and fp32 by kernels of our own."""

import logging
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.ops.engines import native

logger = logging.getLogger(__name__)
MASK_DTYPES = (torch.bool, torch.float32, torch.bfloat16)
NATIVE_DTYPES = (torch.float32, torch.bfloat16)


@torch.library.custom_op("nc_trainer::attention", mutates_args=(), device_types="cpu")
def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float, is_causal: bool = False
) -> Tensor:
    """`softmax(scale * query @ key.T + mask) @ value`, as `scaled_dot_product_attention` defines it.

    fp32 and bf16 go to kernels of our own wherever the native engine runs. What a query gets depends on the keys that
    it sees and on nothing else: not on the other rows of the batch, on padding, on threads, or on whether there is a
    mask that hides nothing.

    In fp32 the bits are the same on every instruction set. In bf16, where the CPU has AVX512_BF16 or AMX, products of
    bf16 are summed in fp32, softmax is computed in fp32 (exp to a relative error of 3e-6), its probabilities are
    rounded to bf16 before they meet the values and divided by their sum after it. More than 512 keys are taken in
    blocks with a running maximum, as in FlashAttention. Other CPUs compute bf16 in fp32 and round the result.
    Everything else is torch's own function.

    Keys that no query of a row of the batch sees, which is what padding is, cost nothing at either end. A query that
    sees no key at all gives zeros if the mask is bool or -inf, as in torch; where a float mask holds finite
    values, however negative, they are added like any other.

    Args:
        query: [B, H, Tq, d], fp32, fp16 or bf16; fast if the last dimension is dense, whatever the other strides.
        key: [B, G, Tk, d], where H is a multiple of G: each head of the key serves H / G heads of the query.
        value: [B, G, Tk, d].
        mask: broadcastable to [B, H, Tq, Tk]; bool (True is seen), or fp32 or bf16, which is added. None sees all.
        scale: positive; usually d ** -0.5.
        is_causal: query i sees keys 0 to i; only without a mask.

    Returns:
        [B, H, Tq, d] as a view of [B, Tq, H, d], so that `.transpose(1, 2).reshape(B, Tq, H * d)` copies nothing.

    Raises:
        QuantizationError: shapes do not fit, a mask has another dtype or comes with `is_causal`, or the scale is
            not positive.
    """
    _check(query, key, value, mask, scale, is_causal)
    if query.dtype in NATIVE_DTYPES and query.dtype == key.dtype == value.dtype and runs_natively():
        return native_attention(query, key, value, mask, scale, is_causal)
    grouped = query.shape[1] != key.shape[1]
    mask = mask if mask is None or mask.dtype == torch.bool else mask.to(query.dtype)
    out = F.scaled_dot_product_attention(query, key, value, mask, 0.0, is_causal, scale=scale, enable_gqa=grouped)
    return out.transpose(1, 2).contiguous().transpose(1, 2)


attention.register_fake(native.fake_attention)


def native_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float, is_causal: bool
) -> Tensor:
    """`attention` by our kernels, for one of `NATIVE_DTYPES` and arguments that are known to fit."""
    if query.dtype == torch.float32 or native_instruction_set():
        return torch.ops.nc_trainer_native.attention(query, key, value, mask, scale, is_causal)
    widened = (query.float(), key.float(), value.float())
    out = torch.ops.nc_trainer_native.attention(*widened, mask, scale, is_causal)
    return out.transpose(1, 2).to(query.dtype).transpose(1, 2)


@cache
def runs_natively() -> bool:
    """Whether our kernels run here; the first call may compile them."""
    return native.unavailable_reason() is None


@cache
def native_instruction_set() -> str | None:
    """The instruction set of the bf16 kernels (amx, avx512_bf16), None if this machine cannot run them.

    `NC_TRAINER_ISA` (avx2, avx_vnni, avx512_vnni, amx), read once, is the level to use, as it is for int8 products;
    the first two have no such kernels. The first call may compile the native library.

    Raises:
        QuantizationError: `NC_TRAINER_ISA` names no level, or one that this CPU cannot run.
    """
    reason = native.unavailable_reason()
    try:
        name = None if reason else torch.ops.nc_trainer_native.attention_isa()
    except RuntimeError as error:
        raise QuantizationError(str(error).splitlines()[0]) from error
    reason = reason or "the CPU has neither AVX512_BF16 nor AMX, or NC_TRAINER_ISA excludes them"
    if name:
        logger.info("attention: %s kernels", name)
    else:
        logger.info("attention in bf16: no kernels of its own, since %s", reason)
    return name or None


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float, is_causal: bool) -> None:
    """Raise a QuantizationError for arguments that do not fit."""
    if any(t.dim() != 4 for t in (query, key, value)) or key.shape != value.shape:
        _refuse("takes [batch, heads, tokens, depth] with key and value alike", query, key, value)
    if query.shape[0] != key.shape[0] or query.shape[3] != key.shape[3] or query.shape[1] % max(key.shape[1], 1):
        _refuse("takes one batch and depth, and a multiple of the key's heads", query, key, value)
    if mask is not None and mask.dtype not in MASK_DTYPES:
        raise QuantizationError(f"attention: the mask must be bool, fp32 or bf16, not {mask.dtype}.")
    if mask is not None and is_causal:
        raise QuantizationError("attention: a mask and is_causal exclude each other; put the causal part in the mask.")
    if not scale > 0:
        raise QuantizationError(f"attention: scale must be positive, not {scale}.")


def _refuse(expected: str, query: Tensor, key: Tensor, value: Tensor) -> None:
    shapes = ", ".join(str(list(t.shape)) for t in (query, key, value))
    raise QuantizationError(f"attention {expected}; query, key and value are {shapes}.")
