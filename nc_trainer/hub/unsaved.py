"""Files that are kept for as long as a model is only in memory, e.g. the journal of the search that made it."""

import logging
from pathlib import Path
from weakref import WeakKeyDictionary

from torch import nn

logger = logging.getLogger(__name__)

_kept: "WeakKeyDictionary[nn.Module, Path]" = WeakKeyDictionary()


def keep_until_saved(model: nn.Module, path: Path) -> None:
    """Have `path` deleted when `model` is next saved."""
    _kept[model] = path


def is_saved(model: nn.Module) -> None:
    """Delete what was kept for this model: it is on the disk now."""
    path = _kept.pop(model, None)
    try:
        if path is not None:
            path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s is not needed any more and could not be deleted: %s", path, error.strerror)
