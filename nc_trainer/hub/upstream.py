"""`save_for_huggingface_upstream`: a directory that the hub and `from_pretrained` understand."""

import os
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nc_trainer.config.training_args import SAVE_FORMATS
from nc_trainer.errors import NCTrainerError, QuantizationError
from nc_trainer.hub.compressed_tensors import save_compressed_tensors
from nc_trainer.hub.quantizer import recipe_of
from nc_trainer.hub.saving import saved_whole


def save_for_huggingface_upstream(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase | None,
    output_dir: str | os.PathLike[str],
    *,
    save_format: str = "nc_int8",
    **kwargs: Any,
) -> None:
    """Write config, int8 weights and tokenizer to `output_dir`, all or nothing.

    Args:
        model: the int8 model, e.g. `trainer.quantize().model`.
        tokenizer: saved beside it; None leaves it out.
        output_dir: made if absent; other files in it stay, but for the weights of an earlier save.
        save_format: `nc_int8`, our own, or `compressed-tensors`.
        **kwargs: passed on to `model.save_pretrained`, e.g. `max_shard_size`.

    Raises:
        QuantizationError: the model is not int8, or it cannot be saved in that format.
        SavingError: `output_dir` holds the float model that it came from, or cannot be written.
        NCTrainerError: there is no such format.
    """
    if save_format not in SAVE_FORMATS:
        raise NCTrainerError(f"save_format is {save_format!r}, expected {' or '.join(SAVE_FORMATS)}.")
    if recipe_of(model) is None:
        raise QuantizationError(
            "save_for_huggingface_upstream expects an int8 model, e.g. `trainer.quantize().model`; "
            "a float model is saved with `model.save_pretrained`."
        )
    with saved_whole(model, output_dir) as stage:
        model.save_pretrained(stage, **kwargs)
        if save_format == "compressed-tensors":
            size = {key: kwargs[key] for key in kwargs.keys() & {"max_shard_size"}}
            save_compressed_tensors(model, stage, **size)
        if tokenizer is not None:
            tokenizer.save_pretrained(stage)
