"""Whether the numbers in a config can be those of the weights beside it: transformers builds what they say."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nc_trainer.errors import CheckpointError
from nc_trainer.hub.checkpoint import StoredTensor

_COUNTS_MODULES = re.compile(r"(layers?|blocks?|depth|hidden_groups)$")
"""Other groups are those of convolutions and codebooks."""
_FEW = 1024
"""So many modules are built in no time, and families that share weights between layers have fewer."""
_LARGEST = 2**31 - 1


def check_sizes(config: Mapping[str, Any], stored: Mapping[str, StoredTensor]) -> None:
    """Check the integers of a config.json that has no digest.

    Args:
        config: its content.
        stored: the tensors of the weights.

    Raises:
        CheckpointError: it asks for more layers than there are tensors, for more labels or experts than a tensor has
            rows, or holds a number that is no size.
    """
    rows = max([_FEW, *(size for tensor in stored.values() for size in tensor.shape)])
    for key, value in _integers("", config):
        most = _LARGEST
        if _COUNTS_MODULES.search(key):
            most = max(_FEW, len(stored))
        elif key == "num_labels" or key.endswith("experts"):
            most = rows
        if abs(value) > most:
            raise CheckpointError(
                f"config.json: {key} is {value}, which does not belong to these weights: expected {most} at most. "
                "Copy or download it again."
            )


def _integers(key: str, value: Any) -> Iterator[tuple[str, int]]:
    """Every integer in JSON content, with the key that it stands under."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _integers(name, part)
    elif isinstance(value, list):
        for part in value:
            yield from _integers(key, part)
    elif type(value) is int:
        yield key, value
