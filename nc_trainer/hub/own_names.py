"""Int8 directories hold tensors under the names that the model itself gives them.

transformers 5 writes the names, and the splitting, of the checkpoints that a family was first published with, and
turns them back while loading. Its rules look for float weights: of int8 codes and scales they would move some and
leave others. What is saved as it is needs no rule, and a checkpoint can be compared with the model's own keys.
"""

from collections.abc import Callable, Mapping
from typing import Any

from transformers import PreTrainedModel

from nc_trainer.int8.module_tree import repeated_keys

CONVERSIONS: dict[str, Callable[[], Any]] = {"_weight_conversions": list, "_checkpoint_conversion_mapping": dict}
"""The attributes in which 5 and 4.57 keep what loading converted, for saving to undo; empty ones say: nothing."""
IGNORED = "_keys_to_ignore_on_save"
"""The attribute in which both have the keys that are not saved."""


def save_in_own_names(model: PreTrainedModel) -> dict[str, Any]:
    """From here on `save_pretrained` converts nothing, and writes modules of several names under the first.

    Returns:
        What `save_as_before` asks for.
    """
    before = {name: value for name, value in vars(model).items() if name in (*CONVERSIONS, IGNORED)}
    vars(model).update({name: empty() for name, empty in CONVERSIONS.items()})
    setattr(model, IGNORED, {*(getattr(model, IGNORED, None) or ()), *repeated_keys(model)})
    return before


def save_as_before(model: PreTrainedModel, before: Mapping[str, Any]) -> None:
    """Undo `save_in_own_names`: a float directory is written the way transformers writes it."""
    for name in (*CONVERSIONS, IGNORED):
        vars(model).pop(name, None)
    vars(model).update(before)
