"""Replacing the model of a directory in one step: whoever reads it finds the old model or the new one, whole.

A directory may hold other things of the user's, be a mount point or a process's working directory, so it is not
replaced itself. The one step is the renaming of `config.json`, which names the weight files by `transformers_weights`:

1. weights move in under names of their own, beside the old ones;
2. a config that names them replaces the old one. From here on the model is the new one;
3. the weights get their ordinary names too, and what earlier saves left under such names is removed;
4. the ordinary config replaces the first one, and the names of 1 are removed.

A process killed between any two of these leaves a directory that loads.
"""

import filecmp
import json
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from nc_trainer.hub.files import CONFIG, INDEX, SINGLE, make_readable

_ORDINARY = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")


def commit(stage: Path, target: Path) -> None:
    """Move the files of `stage` into `target`. Other files there stay, but for the weights of an earlier save.

    Files that are no part of the model, e.g. the tokenizer's, are replaced one by one before it.

    Raises:
        OSError: a file cannot be moved. If the config was not yet replaced, the model in `target` is the old one.
    """
    files = [path.relative_to(stage) for path in sorted(stage.rglob("*")) if path.is_file()]
    weights = [path.name for path in files if _ORDINARY.fullmatch(str(path))]
    for name in files:
        make_readable(stage / name)
        _sync(stage / name)
        if str(name) not in weights and str(name) != CONFIG:
            _move(stage / name, target / name)
    if weights and (target / CONFIG).exists():
        _switch(stage, target, weights)
        return
    for weight in weights:
        _move(stage / weight, target / weight)
    if weights:
        _remove_other_weights(target, weights)
    if (stage / CONFIG).exists():
        _sync(target)
        _move(stage / CONFIG, target / CONFIG)
    _sync(target)


def _switch(stage: Path, target: Path, weights: list[str]) -> None:
    own = {name: f"{stage.name}.{name}" for name in weights}
    for name in weights:
        if name.endswith(INDEX):
            _write(target / own[name], _renamed(stage / name, own))
        else:
            os.replace(stage / name, target / own[name])
    main = SINGLE + INDEX if SINGLE + INDEX in weights else SINGLE
    config = json.loads((stage / CONFIG).read_text(encoding="utf-8"))
    _write(stage / "first", json.dumps({**config, "transformers_weights": own[main]}, indent=2))
    _sync(target)
    os.replace(stage / "first", target / CONFIG)
    _sync(target)
    with suppress(OSError):  # the model is saved; another save would bring the names in order
        _settle(stage, target, own)


def _settle(stage: Path, target: Path, own: dict[str, str]) -> None:
    """From the names of this save to the ordinary ones."""
    for name, other in own.items():
        if not name.endswith(INDEX):
            _link(target / other, stage / name)
        os.replace(stage / name, target / name)
    _remove_other_weights(target, own)
    _sync(target)
    os.replace(stage / CONFIG, target / CONFIG)
    _sync(target)
    for other in own.values():
        os.unlink(target / other)


def _remove_other_weights(target: Path, weights: Iterable[str]) -> None:
    for path in target.iterdir():
        if _ORDINARY.fullmatch(path.name) and path.name not in weights:
            path.unlink()


def _renamed(index: Path, names: dict[str, str]) -> str:
    content = json.loads(index.read_text(encoding="utf-8"))
    content["weight_map"] = {key: names[name] for key, name in content["weight_map"].items()}
    return json.dumps(content, indent=2)


def _move(source: Path, target: Path) -> None:
    """A file that is there with the same content is left alone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
        os.replace(source, target)


def _link(source: Path, target: Path) -> None:
    """Give a file another name, or where the file system cannot, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        make_readable(target)
        _sync(target)


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")
    _sync(path)


def _sync(path: Path) -> None:
    """Have the disk hold a file, or the names in a directory, before anything that comes later; where it can."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
