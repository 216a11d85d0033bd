"""What transformers itself keeps in float32 in a model that computes in another dtype: rotary frequencies first."""

import copy
import logging
import re

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

try:  # where transformers 5 has it
    from transformers.initialization import no_init_weights
except ImportError:
    from transformers.modeling_utils import no_init_weights

logger = logging.getLogger(__name__)
FREQUENCIES = re.compile(r"inv_freq$")
"""The rotary frequencies: kept in any case, unless checkpoints hold them, which transformers casts."""


def kept_float32(model: nn.Module, dtype: torch.dtype) -> set[Tensor]:
    """Parameters and buffers of `model` that stay float32 when transformers loads it in `dtype`.

    These are what `_keep_in_fp32_modules_strict` names (in float16 `_keep_in_fp32_modules` too), and the buffers that
    are float32 in a model that is built with `dtype` as torch's default: no checkpoint holds them, so they keep it.
    """
    if not isinstance(model, PreTrainedModel):
        return {buffer for name, buffer in model.named_buffers() if FREQUENCIES.search(name)}
    patterns = list(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    if dtype == torch.float16:
        patterns += list(getattr(model, "_keep_in_fp32_modules", None) or ())
    kept = {
        tensor
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
        if any(re.search(rf"(^|\.){re.escape(pattern)}($|\.)", name) for pattern in patterns)
    }
    persistent = set(model.state_dict())
    outside = {name: buffer for name, buffer in model.named_buffers() if name not in persistent}
    built = _float32_buffers(model, dtype) if any(b.is_floating_point() for b in outside.values()) else set()
    return kept | {buffer for name, buffer in outside.items() if name in built or FREQUENCIES.search(name)}


def _float32_buffers(model: PreTrainedModel, dtype: torch.dtype) -> set[str]:
    """Names of the buffers that are float32 in such a model, built without memory."""
    try:
        with torch.device("meta"), no_init_weights():
            skeleton = type(model)._from_config(copy.deepcopy(model.config), dtype=dtype)
    except Exception as error:  # a model's own constructor, which may ask for more than a config
        logger.info("%s cannot be built from its config: %s", type(model).__name__, error)
        return set()
    return {name for name, buffer in skeleton.named_buffers() if buffer.dtype == torch.float32}
