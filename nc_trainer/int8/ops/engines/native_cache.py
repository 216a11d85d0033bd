"""The directory that keeps compiled libraries: nobody else may write what is mapped into this process."""

import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".build-"
UNFINISHED_SECONDS = 3600.0
UNUSED_SECONDS = 90 * 24 * 3600.0
"""Libraries of other sources, torch or compilers are kept for as long: another environment may use them."""


def make_private(directory: Path) -> None:
    """Make the directory, for its owner only; of one that is the user's own, take away that others may write it.

    Raises:
        OSError: it cannot be made or changed.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.stat()
    if hasattr(os, "getuid") and status.st_uid == os.getuid() and _others_write(status):
        directory.chmod(stat.S_IMODE(status.st_mode) & ~0o022)


def is_trusted(path: Path) -> bool:
    """Whether nobody but this user and root may have written a file, or may put one into a directory.

    True on systems without such owners.
    """
    if not hasattr(os, "getuid"):
        return True
    status = path.stat()
    return status.st_uid in (0, os.getuid()) and not _others_write(status)


def mark_used(library: Path) -> None:
    """Have `sweep` keep a library, where its time can be set."""
    with suppress(OSError):
        os.utime(library)


def sweep(directory: Path) -> None:
    """Remove what compilers that were killed have left, and libraries that nothing has loaded for three months."""
    with suppress(OSError):
        for path in directory.iterdir():
            age = time.time() - path.stat().st_mtime
            if path.name.startswith(UNFINISHED) and age > UNFINISHED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix == ".so" and age > UNUSED_SECONDS:
                path.unlink()


def _others_write(status: os.stat_result) -> bool:
    return bool(status.st_mode & 0o022)
