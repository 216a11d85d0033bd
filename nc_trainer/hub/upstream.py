"""`save_for_huggingface_upstream`: a directory that the hub and `from_pretrained` understand."""

import os
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nc_trainer.errors import QuantizationError
from nc_trainer.hub.quantizer import recipe_of
from nc_trainer.hub.saving import saved_whole


def save_for_huggingface_upstream(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase | None,
    output_dir: str | os.PathLike[str],
    **kwargs: Any,
) -> None:
    """Write config, int8 weights and tokenizer to `output_dir`, all or nothing.

    Args:
        model: the int8 model, e.g. `trainer.quantize().model`.
        tokenizer: saved beside it; None leaves it out.
        output_dir: made if absent; other files in it stay, but for the weights of an earlier save.
        **kwargs: passed on to `model.save_pretrained`, e.g. `max_shard_size`.

    Raises:
        QuantizationError: the model is not int8.
        SavingError: `output_dir` holds the float model that it came from, or cannot be written.
    """
    if recipe_of(model) is None:
        raise QuantizationError(
            "save_for_huggingface_upstream expects an int8 model, e.g. `trainer.quantize().model`; "
            "a float model is saved with `model.save_pretrained`."
        )
    with saved_whole(model, output_dir) as stage:
        model.save_pretrained(stage, **kwargs)
        if tokenizer is not None:
            tokenizer.save_pretrained(stage)
