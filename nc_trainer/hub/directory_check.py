"""Looking at an int8 directory before transformers reads it: of damaged files that raises whatever comes first."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING, PretrainedConfig

from nc_trainer.errors import CheckpointError
from nc_trainer.hub.checkpoint import read_headers
from nc_trainer.hub.config import QUANT_METHOD, NCInt8Config
from nc_trainer.hub.config_digest import CONFIG_DIGEST, check_config
from nc_trainer.hub.config_sizes import check_sizes
from nc_trainer.hub.files import CONFIG, INDEX, main_weight_file, read_object, weight_files

_HEADER_BYTES = 1 << 20  # of each file that is looked through for codes
_CODES, _SCALES = b'.qweight":{"dtype":"I8"', b'.scale":{"dtype":"F32"'


def check_directory(directory: Path) -> None:
    """Check the config and the headers of the weights of an int8 directory; of any other, nothing.

    Raises:
        CheckpointError: they are damaged, or do not belong together.
    """
    if not (directory / CONFIG).is_file() or not _is_int8(directory):
        return
    config = read_object(directory / CONFIG)
    check_int8_config(config)
    files = weight_files(directory)
    stored = read_headers(map(str, files))
    main = main_weight_file(directory)
    if main is not None and main.name.endswith(INDEX):
        _check_index(main, set(stored))
    if files and CONFIG_DIGEST not in config["quantization_config"]:
        check_sizes(config, stored)
        _check_values(config)


def check_int8_config(config: Mapping[str, Any]) -> None:
    """Check the content of a config.json that goes with int8 weights.

    Raises:
        CheckpointError: it has no recipe, or one that is not valid, or is not what was saved.
    """
    quantization = config.get("quantization_config")
    if not isinstance(quantization, dict) or quantization.get("quant_method") != QUANT_METHOD:
        raise CheckpointError(
            "The weights are int8, and config.json does not say of which modules: its `quantization_config` is "
            f"{str(quantization)[:80]}, expected the recipe of a {QUANT_METHOD} model. Copy or download it again."
        )
    NCInt8Config(**quantization)  # first: a newer format may have another digest
    check_config(config)


def _check_values(config: Mapping[str, Any]) -> None:
    """Whether the class of the config takes what is in it."""
    known = CONFIG_MAPPING.get(str(config.get("model_type")), PretrainedConfig)
    try:
        known.from_dict(dict(config))
    except Exception as error:  # a class of its own for each, and whatever its code runs into
        raise CheckpointError(f"config.json is not that of a {known.__name__}: {error}") from error


def is_int8_config(config: Mapping[str, Any]) -> bool:
    """Whether the content of a config.json says that its model is one of ours."""
    quantization = config.get("quantization_config")
    return isinstance(quantization, dict) and quantization.get("quant_method") == QUANT_METHOD


def _is_int8(directory: Path) -> bool:
    """Whether a directory is one of ours, by its config or, where that is damaged, by its weights."""
    content = (directory / CONFIG).read_bytes()
    try:
        is_ours = is_int8_config(json.loads(content))
    except (ValueError, AttributeError, RecursionError):
        is_ours = f'"{QUANT_METHOD}"'.encode() in content
    return is_ours or any(map(_holds_our_codes, directory.glob("*.safetensors")))


def _holds_our_codes(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER_BYTES)
    except OSError:
        return False
    return _CODES in start and _SCALES in start


def _check_index(path: Path, stored: set[str]) -> None:
    index = read_object(path)
    if not isinstance(index.get("metadata"), dict) or set(index["weight_map"]) != stored:
        raise CheckpointError(
            f"{path} does not name the tensors that its files hold: it is damaged or of another save. "
            "Copy or download the directory again."
        )
