"""The `quantization_config` of compressed-tensors for our scheme, and whether one that was found is that.

Source: https://github.com/vllm-project/compressed-tensors, `QuantizationConfig` and the preset `W8A8`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

METHOD = "compressed-tensors"
FORMAT = "int-quantized"
_INT8 = {"num_bits": 8, "type": "int", "symmetric": True, "group_size": None}
WEIGHTS = {**_INT8, "strategy": "channel", "dynamic": False}
ACTIVATIONS = {**_INT8, "strategy": "token", "dynamic": True}


def w8a8_config(ignore: Sequence[str]) -> dict[str, Any]:
    """int8 weights per channel and activations per token, both symmetric, for all linear layers but those ignored."""
    group = {"targets": ["Linear"], "weights": WEIGHTS, "input_activations": ACTIVATIONS, "output_activations": None}
    return {
        "quant_method": METHOD,
        "format": FORMAT,
        "quantization_status": "compressed",
        "config_groups": {"group_0": group},
        "ignore": list(ignore),
        "kv_cache_scheme": None,
        "global_compression_ratio": None,
    }


def why_not_w8a8(config: Mapping[str, Any]) -> str | None:
    """Why a `quantization_config` is not int8 weights with int8 activations, None if it is.

    How its activations were to be quantized does not matter: here that is done per token, as they come.
    """
    groups = config.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        return "it has no `config_groups`"
    if config.get("quantization_status", "compressed") != "compressed":
        return f"its quantization_status is {config['quantization_status']!r}, expected 'compressed'"
    if config.get("kv_cache_scheme"):
        return "its attention cache is quantized too"
    return next(filter(None, map(_why_not, groups.values())), None)


def _why_not(group: Any) -> str | None:
    weights = group.get("weights") if isinstance(group, Mapping) else None
    activations = group.get("input_activations") if isinstance(group, Mapping) else None
    if not _is_int8(weights) or not weights.get("symmetric", True):
        return "its weights are not symmetric int8"
    if weights.get("strategy") not in ("channel", "tensor"):
        return f"its weights are quantized per {weights.get('strategy')}, expected per channel or per tensor"
    return None if _is_int8(activations) else "its activations are not int8"


def _is_int8(arguments: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(arguments, Mapping) and (arguments.get("num_bits"), arguments.get("type", "int")) == (8, "int")
