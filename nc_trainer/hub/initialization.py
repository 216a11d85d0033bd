"""What transformers does to a model beside loading: it initializes weights, and finds float modules when it does.

It does so though no weight is missing, because buffers that no checkpoint holds are computed there. Some families
write to the weights of modules inside (CLIP), or ask for their dtype (Swin v2), which int8 modules do not have.
"""

from collections.abc import Mapping

from torch import nn
from transformers import PreTrainedModel

from nc_trainer.int8.module_tree import names_of, place, submodule


def initialize_as_float(model: PreTrainedModel, replaced: Mapping[str, nn.Module]) -> None:
    """Let `model.initialize_weights()` see the float modules that int8 ones have replaced.

    Args:
        model: with its int8 modules in place.
        replaced: by name; their weights, which have no memory while a model is loaded, are not used.
    """
    initialize = model.initialize_weights
    for module in replaced.values():
        setattr(module, "_is_hf_initialized", True)

    def initialize_weights() -> None:
        int8 = {name: submodule(model, name) for name in replaced}
        names = {name: names_of(model, module) for name, module in int8.items()}
        for name, module in replaced.items():
            place(model, names[name], module)
        try:
            initialize()
        finally:
            for name, module in int8.items():
                place(model, names[name], module)

    setattr(model, "initialize_weights", initialize_weights)


def initialize_as_before(model: PreTrainedModel) -> None:
    """Undo `initialize_as_float`."""
    vars(model).pop("initialize_weights", None)
