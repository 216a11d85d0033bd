"""Where a model is written before it takes the place of the one in a directory."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nc_trainer.hub.commit import commit
from nc_trainer.hub.files import CONFIG, INDEX, SINGLE, TEMPORARY, shards, weight_files

try:
    import fcntl
except ImportError:  # Windows: no lock there
    fcntl = None  # type: ignore[assignment]

ABANDONED_SECONDS = 3600.0
"""What nothing was written to for so long, and no lock can tell about, belongs to a process that has ended."""


@contextmanager
def staged_directory(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary directory in `target` whose files take their places there when the block succeeds, see `commit`.

    It is on the file system of `target`, whatever that is a link to. When the block raises, `target` is as it was.
    Processes that save to one directory wait for each other, and what a killed one has left there is removed.
    """
    final = Path(target)
    final.mkdir(parents=True, exist_ok=True)
    with _locked(final) as is_locked:
        sweep(final, is_locked)
        stage = Path(tempfile.mkdtemp(dir=final, prefix=TEMPORARY))
        try:
            yield stage
            commit(stage, final)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
            _remove_unfinished(final, is_locked, stage.name)


def sweep(directory: Path, is_locked: bool) -> None:
    """Remove what saves that were killed have left in `directory`, and those of earlier versions beside it.

    Args:
        directory: where models are saved to.
        is_locked: whether no other process saves to it now; otherwise only what is old is removed.
    """
    _remove_unfinished(directory, is_locked)
    earlier = re.compile(rf"\.{re.escape(directory.resolve().name)}\.[a-z0-9_]{{8}}")
    with suppress(OSError):
        for path in directory.resolve().parent.iterdir():
            if earlier.fullmatch(path.name) and path.is_dir() and _is_old(path) and _holds_only_a_model(path):
                _remove(path)


def _remove_unfinished(directory: Path, is_locked: bool, own: str = "") -> None:
    """Remove temporary files, but for weights that the config names: a save that was killed at its end leaves those.

    `own` is what the names of the caller's begin with.
    """
    with suppress(OSError, ValueError):
        named = weight_files(directory)
        for path in directory.glob(f"{TEMPORARY}*"):
            is_own = bool(own) and path.name.startswith(own)
            is_kept = path in named or (path.name.endswith(INDEX) and named and shards(path) == named)
            if not is_kept and (is_own or (is_locked and not _is_text(path)) or _is_old(path)):
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_text(path: Path) -> bool:
    """Of `write_text_atomically`, which takes no lock."""
    return path.is_file() and not path.name.endswith((".safetensors", INDEX))


def _is_old(path: Path) -> bool:
    times = [part.stat().st_mtime for part in (path, *path.rglob("*"))]
    return time.time() - max(times) > ABANDONED_SECONDS


def _holds_only_a_model(path: Path) -> bool:
    names = {part.name for part in path.iterdir()}
    return not names or bool(names & {CONFIG, SINGLE, "tokenizer_config.json"})


@contextmanager
def _locked(directory: Path) -> Iterator[bool]:
    """Whether this process alone saves to `directory`; it waits for others. False where there are no locks."""
    if fcntl is None:
        yield False
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        yield _lock(handle)
    finally:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)  # a forked child has the handle too
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:  # this file system has none
        return False
    return True
