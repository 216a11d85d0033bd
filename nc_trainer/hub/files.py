"""Writing files so that a crash leaves the old content or the new one, never half of either."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_text_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` (UTF-8) to a temporary file beside `path`, then rename it over `path`."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


@contextmanager
def staged_directory(target: str | os.PathLike[str], last: str = "config.json") -> Iterator[Path]:
    """A temporary directory whose files move into `target` when the block succeeds.

    Files already in `target` stay unless a new one has the same name. The file called `last` moves
    last: a reader that finds it finds everything it speaks of. When the block raises, `target` is
    left as it was.
    """
    final = Path(target)
    final.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}."))
    try:
        yield stage
        for source in sorted(stage.rglob("*"), key=lambda path: (path.name == last, path)):
            if source.is_file():
                destination = final / source.relative_to(stage)
                destination.parent.mkdir(parents=True, exist_ok=True)
                os.chmod(source, 0o666 & ~_umask())  # safetensors writes files that only their owner can read
                os.replace(source, destination)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def weight_files(directory: Path) -> list[Path]:
    """The files that hold a model's weights, in a local directory: safetensors, and where there are none the rest."""
    weights = sorted(path for path in directory.iterdir() if path.suffix in (".safetensors", ".bin"))
    safe = [path for path in weights if path.suffix == ".safetensors"]
    return [path for path in safe or weights if path.name != "training_args.bin"]


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
