"""Whether quantization can start from a model in the state that it is in, and what to do where it cannot."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedModel

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.float_parts import FloatParts
from nc_trainer.int8.quantize import is_int8

HALF = (torch.float16, torch.bfloat16)

logger = logging.getLogger(__name__)


def checked_model(model: object) -> PreTrainedModel:
    """The model, if quantization can start from it.

    Raises:
        QuantizationError: it is no transformers model or stands inside a wrapper, has adapters that are not merged, is
            quantized already, or is not on the CPU.
    """
    if not isinstance(model, PreTrainedModel):
        raise QuantizationError(f"Expected a transformers model, found a {type(model).__name__}{_inside(model)}.")
    if is_int8(model):
        raise QuantizationError("The model is int8 already: quantization starts from a float model.")
    method = getattr(model, "quantization_method", None)
    if method is not None:
        raise QuantizationError(
            f"The model is quantized already, by {getattr(method, 'value', method)}: load it without its "
            "quantization_config, quantization starts from a float model."
        )
    if getattr(model, "_hf_peft_config_loaded", False):  # what transformers itself asks; there is no public question
        raise QuantizationError(
            "The model has PEFT adapters, which int8 modules cannot hold. Merge them: save them with "
            "`model.save_pretrained(directory)`, load the model without them, and use what "
            "`PeftModel.from_pretrained(model, directory).merge_and_unload()` returns."
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise QuantizationError(
            "Some of the model's parameters have no values (device meta): load it with `from_pretrained`, without "
            "`device_map` or offloading."
        )
    if model.device.type != "cpu":
        raise QuantizationError(f"int8 runs on the CPU, the model is on {model.device}: move it with `.to('cpu')`.")
    return model


@contextmanager
def searchable(model: nn.Module) -> Iterator[None]:
    """What a search needs of a model: float32, and no compiled code that every trial would compile again.

    A model in float16 or bfloat16 is cast to float32, which changes no weight; the trials are compared with that. If
    it is still float afterwards, whatever happened, it is given back as it was.
    """
    parts = FloatParts(model)
    dtypes = {tensor.dtype for tensor in (*model.parameters(), *model.buffers())}
    try:
        if dtypes & set(HALF):
            logger.info("The model's weights are in half precision: the float model is judged in float32.")
            parts.cast(torch.float32)
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        if not is_int8(model):
            parts.restore()


def _inside(model: object) -> str:
    """How to get at the model that is inside a wrapper."""
    if hasattr(model, "merge_and_unload"):
        return ": merge its adapters into the model, and use what `merge_and_unload()` returns"
    if hasattr(model, "_orig_mod"):
        return ": give the model that `torch.compile` was called with; the int8 model can be compiled in its place"
    if isinstance(getattr(model, "module", None), nn.Module):
        return ": give the model inside it, `.module`"
    return ""
