"""What the weight files of an int8 directory held when they were saved, so that a changed bit is an error."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from nc_trainer.errors import CheckpointError
from nc_trainer.hub.config_digest import CONFIG_DIGEST, digest_of_config
from nc_trainer.hub.files import CONFIG, read_object, weight_files

DIGEST = "digest"
"""The key of `quantization_config` that holds it. Directories without it, of earlier versions, are not checked."""

_CHUNK = 1 << 20


def digest_of(files: Iterable[str | Path]) -> str:
    """SHA-256 of the content of the files one after the other, in the order of their names; hexadecimal.

    Raises:
        OSError: one cannot be read.
    """
    whole = hashlib.sha256()
    for path in sorted(map(Path, files), key=lambda path: path.name):
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                whole.update(chunk)
    return whole.hexdigest()


def write_digests(directory: Path, quant_method: str) -> None:
    """Give the config of the model that was just saved in `directory` the digests of its weights and of itself.

    Configs of another `quant_method`, or of none, stay as they are.
    """
    path = directory / CONFIG
    config = read_object(path)
    recipe = config.get("quantization_config", {})
    if recipe.get("quant_method") != quant_method:
        return
    recipe[DIGEST] = digest_of(weight_files(directory))
    recipe[CONFIG_DIGEST] = digest_of_config(config)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def check_digest(files: Iterable[str | Path], expected: str) -> None:
    """Compare weight files with the digest in their config.

    Raises:
        CheckpointError: they hold something else than what was saved, or cannot be read.
    """
    try:
        found = digest_of(files)
    except OSError as error:
        raise CheckpointError(f"The weights cannot be read ({error}). Copy or download them again.") from error
    if found != expected:
        raise CheckpointError(
            f"The weights are not those that were saved with config.json: their digest is {found}, expected "
            f"{expected}. A file is damaged or of another save; copy or download the directory again."
        )
