"""The mark that transformers 5 sets in the config of a quantized model when it has loaded it.

Model code reads it: Jamba calls a layer whose weight it multiplies itself without the mark. A model that is quantized
here has it too, so that it computes what it will compute when it is loaded.
"""

from collections.abc import Callable
from functools import cache

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

MARK = "_is_quantized"


@cache
def _is_known() -> bool:
    """Whether configs leave the mark out of what they save; 4.57 has no such mark."""
    config = PretrainedConfig()
    setattr(config, MARK, True)
    return MARK not in config.to_dict()


def mark_as_quantized(model: nn.Module) -> Callable[[], None]:
    """Set the mark in the config of the model and of the models inside it.

    Returns:
        A function that takes it away again where it was not.
    """
    configs = [module.config for module in model.modules() if isinstance(module, PreTrainedModel)]
    marked = [config for config in configs if _is_known() and not hasattr(config, MARK)]
    for config in marked:
        setattr(config, MARK, True)

    def undo() -> None:
        for config in marked:
            vars(config).pop(MARK, None)

    return undo
