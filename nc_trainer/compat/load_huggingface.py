"""`OptimizedModel` and `save_for_huggingface_upstream` where Neural Compressor had them."""

import os
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nc_trainer import hub
from nc_trainer.compat.common import Model, unwrapped
from nc_trainer.hub import OptimizedModel

__all__ = ["OptimizedModel", "save_for_huggingface_upstream"]


def save_for_huggingface_upstream(
    model: PreTrainedModel | Model,
    tokenizer: PreTrainedTokenizerBase | None,
    output_dir: str | os.PathLike[str],
    **kwargs: Any,
) -> None:
    """`nc_trainer.save_for_huggingface_upstream`, which takes a `common.Model` too."""
    hub.save_for_huggingface_upstream(unwrapped(model), tokenizer, output_dir, **kwargs)
