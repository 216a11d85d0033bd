"""Our attention operator as an attention implementation of transformers, under the name `nc_trainer`.

It is registered when this module is imported. What the kernels do not do (training, fp16, dropout, position
biases, output_attentions) goes to transformers' own `sdpa` function, call by call.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from nc_trainer.int8.ops.attention import MASK_DTYPES, NATIVE_DTYPES, attention, native_attention, runs_natively

NAME = "nc_trainer"
SDPA = "sdpa"
# Arguments that change what attention computes, and that only transformers' own function knows what to do with.
FOREIGN = ("cache", "head_mask", "output_attentions", "position_bias", "s_aux", "softcap")


def use_native_attention(model: nn.Module) -> bool:
    """Let the attention of `model` run in our kernels; says whether it does.

    It does not, and nothing changes, where this machine has no kernels, where the model's family does not go through
    transformers' `AttentionInterface` (BERT on 4.57, XLNet), or where its implementation is another than `sdpa`,
    which is transformers' default. The kernels take what is computed in fp32 and bf16.
    """
    if not isinstance(model, PreTrainedModel):
        return False
    if model.config._attn_implementation == SDPA and runs_natively() and _goes_through_the_interface(model):
        model.set_attn_implementation(NAME)
    return model.config._attn_implementation == NAME


def restore_attention(model: nn.Module) -> None:
    """Undo `use_native_attention`."""
    if isinstance(model, PreTrainedModel) and model.config._attn_implementation == NAME:
        model.set_attn_implementation(SDPA)


def attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """What transformers calls: query [B, H, Tq, d], key and value [B, G, Tk, d]; returns [B, Tq, H, d] and None."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    causal = bool(causal and attention_mask is None and query.shape[2] > 1)
    ours = (
        not (module.training and torch.is_grad_enabled())
        and _tensors_fit(query, key, value, attention_mask)
        and not dropout
        and scale > 0
        and not (causal and query.shape[2] != key.shape[2])
        and all(not isinstance(kwargs.get(name), Tensor) and not kwargs.get(name) for name in FOREIGN)
    )
    operator = _operator() if ours else None
    if operator is None:
        sdpa = AttentionInterface()[SDPA]
        return sdpa(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **kwargs
        )
    return operator(query, key, value, attention_mask, scale, causal).transpose(1, 2), None


def _tensors_fit(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> bool:
    """Whether the kernels take these tensors."""
    tensors = (query, key, value)
    dtype = query.dtype
    if dtype not in NATIVE_DTYPES or any(t.dtype != dtype or t.device.type != "cpu" for t in tensors):
        return False
    if key.shape != value.shape:
        return False
    return mask is None or (mask.dtype in MASK_DTYPES and mask.shape[-1] == key.shape[2] and mask.dim() == 4)


def _operator() -> Any:
    """The operator to call: the one node for torch.compile and torch.export, else straight to the kernels.

    The way through torch.library costs about as much as the attention of a short sentence.
    """
    if torch.compiler.is_compiling():
        return attention
    return native_attention if runs_natively() else None


def _goes_through_the_interface(model: PreTrainedModel) -> bool:
    # transformers offers no public question; asking set_attn_implementation itself logs a warning for each "no".
    return model._can_set_attn_implementation()


AttentionInterface.register(NAME, attention_forward)
AttentionMaskInterface.register(NAME, AttentionMaskInterface()[SDPA])
