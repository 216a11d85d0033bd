"""Writing a file so that a crash leaves the old content or the new one, and which files hold a model's weights."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from nc_trainer.errors import CheckpointError

TEMPORARY = "_saving-"
"""What the names of all that is unfinished begin with. The underscore keeps it out of what `push_to_hub` uploads."""

CONFIG = "config.json"
INDEX = ".index.json"
SINGLE = "model.safetensors"
WEIGHTS = (SINGLE, SINGLE + INDEX, "pytorch_model.bin", "pytorch_model.bin" + INDEX)
"""Where transformers looks for the weights of a directory, in this order, unless the config names a file."""


def write_text_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` (UTF-8) to a temporary file beside `path`, then rename it over `path`."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f"{TEMPORARY}{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        make_readable(Path(temporary))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def make_readable(path: Path) -> None:
    """Let those read a file whom the umask allows: temporary files, and safetensors' own, are for their owner only."""
    os.chmod(path, 0o666 & ~_umask())


def main_weight_file(directory: Path) -> Path | None:
    """The weights in a local directory as transformers finds them, or their index; None where there are none.

    Raises:
        CheckpointError: the config cannot be read, or names a file that is not there.
    """
    config = directory / CONFIG
    named = read_object(config).get("transformers_weights") if config.is_file() else None
    if isinstance(named, str):
        if named != os.path.basename(named) or not (directory / named).is_file():
            raise CheckpointError(f"{config} names the weights {named!r}, which are no file beside it.")
        return directory / named
    return next((directory / name for name in WEIGHTS if (directory / name).is_file()), None)


def weight_files(directory: Path) -> list[Path]:
    """The files that transformers reads the weights from, in a local directory; none where there are none.

    Raises:
        CheckpointError: the config, or the index of a sharded model, cannot be read.
    """
    main = main_weight_file(directory)
    if main is None:
        return []
    return shards(main) if main.name.endswith(INDEX) else [main]


def shards(index: Path) -> list[Path]:
    """The files that the index of a sharded model names, in the order of their names.

    Raises:
        CheckpointError: it cannot be read.
    """
    named = read_object(index).get("weight_map")
    names: list[Any] = list(named.values()) if isinstance(named, dict) else [None]
    if not all(isinstance(name, str) and name == os.path.basename(name) for name in names):
        raise CheckpointError(f"{index}: expected a `weight_map` to the names of files in this directory.")
    return [index.parent / name for name in sorted(set(names))]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        CheckpointError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: damaged or not JSON ({error}). Copy or download it again.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds {str(content)[:40]!r}, expected a JSON object.")
    return content


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
