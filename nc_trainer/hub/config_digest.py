"""What `config.json` said of a model when it was saved, so that an edit which changes the answers is an error.

Names and paths are not part of it, because people edit them. A config of transformers 4.57 and one of 5 hold different
keys, so it is the file that has a digest, not the object that is made from it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from nc_trainer.errors import CheckpointError

CONFIG_DIGEST = "config_digest"
"""The key of `quantization_config` that holds it. Directories without it, of earlier versions, are not checked."""


PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
DTYPES = ("float32", "float16", "bfloat16", "float64")


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_dtype(value: Any) -> bool:
    return value is None or value in DTYPES


def _are_names(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict) and all(key.isdecimal() and isinstance(name, str) for key, name in value.items())
    )


def _are_numbers(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(type(number) is int for number in value.values()))


EDITABLE: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType(
    {
        "_name_or_path": (_is_text, "a text"),
        "auto_map": (lambda value: isinstance(value, dict), "classes by name"),
        "dtype": (_is_dtype, f"one of {', '.join(DTYPES)}"),
        "id2label": (_are_names, "names of labels by their numbers"),
        "label2id": (_are_numbers, "numbers of labels by their names"),
        "problem_type": (lambda value: value in (None, *PROBLEM_TYPES), f"one of {', '.join(PROBLEM_TYPES)}"),
        "torch_dtype": (_is_dtype, f"one of {', '.join(DTYPES)}"),
        "transformers_weights": (_is_text, "the name of a file"),
    }
)
"""The keys that are not part of the digest, and what their values have to be: as a test, and in words."""


def digest_of_config(config: Mapping[str, Any]) -> str:
    """SHA-256 of what computes in the content of a config.json, however it is written; hexadecimal."""
    computing = {key: value for key, value in config.items() if key not in (*EDITABLE, "_commit_hash")}
    recipe = config["quantization_config"]
    computing["quantization_config"] = {key: value for key, value in recipe.items() if key != CONFIG_DIGEST}
    text = json.dumps(computing, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_config(config: Mapping[str, Any]) -> None:
    """Compare the content of an int8 model's config.json with the digest in it, where it has one.

    Raises:
        CheckpointError: something in it is not what was saved, or is not of its kind.
    """
    for key, (is_valid, kind) in EDITABLE.items():
        if key in config and not is_valid(config[key]):
            raise CheckpointError(f"config.json: `{key}` is {str(config[key])[:80]!r}, expected {kind}.")
    expected = config["quantization_config"].get(CONFIG_DIGEST)
    if expected is not None and digest_of_config(config) != expected:
        raise CheckpointError(
            "config.json is not what was saved: it is damaged, or a key that changes what the model computes was "
            f"edited. Copy or download it again; if the edit is meant, remove `{CONFIG_DIGEST}` from its "
            f"`quantization_config`. Free to edit are {', '.join(EDITABLE)}."
        )
