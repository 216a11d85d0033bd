"""Writing a file so that a crash leaves the old content or the new one, and which files hold a model's weights."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

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


def weight_files(directory: Path) -> list[Path]:
    """The files that transformers reads the weights from, in a local directory; none where there are none.

    Raises:
        OSError, ValueError: the config, or the index of a sharded model, cannot be read.
    """
    config = directory / CONFIG
    named = _object(config).get("transformers_weights") if config.is_file() else None
    for name in (named, *WEIGHTS):
        if isinstance(name, str) and (directory / name).is_file():
            return shards(directory / name) if name.endswith(INDEX) else [directory / name]
    return []


def shards(index: Path) -> list[Path]:
    """The files that the index of a sharded model names, in the order of their names.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    names = set(_object(_object(index).get("weight_map")).values())
    if not all(isinstance(name, str) and name == os.path.basename(name) for name in names):
        raise ValueError(f"{index}: expected the names of files in this directory.")
    return [index.parent / name for name in sorted(names)]


def _object(source: Any) -> dict[str, Any]:
    """A JSON object, or what a file holds if it is one."""
    content = json.loads(source.read_text(encoding="utf-8")) if isinstance(source, Path) else source
    if not isinstance(content, dict):
        raise ValueError(f"{source} is not a JSON object.")
    return content


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
