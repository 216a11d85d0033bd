"""Saving a model so that nothing is lost: neither what the directory held, nor the search that made the model."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedModel

from nc_trainer.errors import SavingError
from nc_trainer.hub.config import QUANT_METHOD
from nc_trainer.hub.digest import write_digests
from nc_trainer.hub.files import CONFIG, TEMPORARY
from nc_trainer.hub.quantizer import recipe_of
from nc_trainer.hub.stage import staged_directory, sweep
from nc_trainer.hub.transformers_versions import keep_label_names
from nc_trainer.hub.unsaved import is_saved

_WRITERS = ("(os error ", "PytorchStreamWriter failed")
"""In the messages of tokenizers' and torch's errors about a disk, which are no OSErrors."""


@contextmanager
def saved_whole(model: PreTrainedModel, target: str | os.PathLike[str]) -> Iterator[Path]:
    """A directory for the block to save `model` and its tokenizer in; then it all moves to `target`, see `commit`.

    Raises:
        SavingError: `target` holds the float model that the int8 one came from, or cannot be written. It is as it was.
    """
    refuse_origin(model, target)
    try:
        with staged_directory(target) as stage:
            yield stage
            keep_label_names(stage, model.config)
            if recipe_of(model) is not None:
                write_digests(stage, QUANT_METHOD)
    except Exception as error:
        if not _is_of_the_disk(error):
            raise
        raise SavingError(
            f"The model could not be written to {os.fspath(target)}: {error}. What was there is as it was, and the "
            "model is still in memory: make room, or save it to another directory."
        ) from error
    is_saved(model)


def refuse_origin(model: PreTrainedModel, target: str | os.PathLike[str]) -> None:
    """Raise a SavingError if `target` is the directory that the float model of an int8 one was loaded from."""
    origin = Path(str(getattr(model, "name_or_path", "") or "/nonexistent"))
    if recipe_of(model) is None or not _is_same_directory(origin, Path(target)):
        return
    if not _holds_int8(origin):
        raise SavingError(
            f"{os.fspath(target)} holds the float model that this int8 model was made from, which would be lost: "
            "save it to another directory."
        )


def check_place(model: nn.Module, target: str | os.PathLike[str]) -> None:
    """Find out whether an int8 `model` could be saved in `target` before anybody works for it.

    Raises:
        SavingError: nothing can be written there, or there is not even one byte for each weight.
    """
    needed = sum(parameter.numel() for parameter in model.parameters())
    directory = Path(target)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        sweep(directory, is_locked=False)
        os.rmdir(tempfile.mkdtemp(dir=directory, prefix=TEMPORARY))
        free = shutil.disk_usage(directory).free
    except OSError as error:
        raise SavingError(f"Nothing can be saved in {directory}: {error}. Choose another output directory.") from error
    if free < needed:
        raise SavingError(
            f"{directory} has {free / 1e6:.0f} MB left, and the int8 model needs at least {needed / 1e6:.0f} MB: "
            "make room, or choose another output directory."
        )


def _is_of_the_disk(error: Exception) -> bool:
    return isinstance(error, (OSError, SafetensorError)) or any(part in str(error) for part in _WRITERS)


def _is_same_directory(one: Path, other: Path) -> bool:
    return one.is_dir() and other.is_dir() and one.samefile(other)


def _holds_int8(directory: Path) -> bool:
    """Whether the model there is quantized already, as its config says."""
    config = directory / CONFIG
    return not config.is_file() or '"quantization_config"' in config.read_text(encoding="utf-8", errors="replace")
