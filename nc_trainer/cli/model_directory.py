"""Loads the model and the tokenizer of a directory that a user names; what is wrong with its files is one line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers
from safetensors import SafetensorError, safe_open
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import OptimizedModel

GIT_LFS = b"version https://git-lfs"
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece's, the one word of T5's vocabulary without its file


def load_model(directory: Path) -> PreTrainedModel:
    """The model, float or int8; what is float is float32.

    Raises:
        NCTrainerError: the directory is not that of a model, or a file is missing or damaged.
    """
    if not (directory / "config.json").is_file():
        raise NCTrainerError(f"{directory} is not a model directory: it has no config.json.")
    with loading("model", directory):
        return OptimizedModel.from_pretrained(directory, dtype=torch.float32)


def load_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """The tokenizer, with a vocabulary: where files are missing, transformers 5 makes one of special tokens alone.

    Raises:
        NCTrainerError: its files are missing or damaged.
    """
    with loading("tokenizer", directory):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(directory)
    words = set(tokenizer.get_vocab()) - set(tokenizer.get_added_vocab()) - set(tokenizer.all_special_tokens)
    if words <= {SPACE}:
        raise NCTrainerError(
            f"{directory}: the tokenizer has no vocabulary: its files (tokenizer.json, vocab.txt ...) are missing or "
            "empty. Save the one that the model was fine-tuned with: `tokenizer.save_pretrained(directory)`."
        )
    return tokenizer


@contextmanager
def loading(what: str, directory: Path) -> Iterator[None]:
    """Turns whatever transformers raises about a directory into one line that names the damaged file, if one is.

    Raises:
        NCTrainerError: `what` could not be loaded.
    """
    try:
        yield
    except NCTrainerError:
        raise
    except Exception as error:  # tokenizers raises no narrower class
        raise NCTrainerError(f"{directory}: the {what} cannot be loaded: {_reason(directory, error)}") from error


def _reason(directory: Path, error: Exception) -> str:
    files = sorted(directory.iterdir()) if directory.is_dir() else []
    damages = [f"{path.name} {damage}" for path in files if path.is_file() and (damage := _damage(path))]
    if damages:
        return f"{'; '.join(damages)}. Copy or save the directory again."
    return (
        f"{' '.join(str(error).split()) or type(error).__name__} (Expected was what `save_pretrained` of transformers "
        f"{transformers.__version__} writes; are all files there?)"
    )


def _damage(path: Path) -> str | None:
    """What is wrong with a file, if that can be told from the file alone."""
    with path.open("rb") as file:
        if file.read(len(GIT_LFS)) == GIT_LFS:
            return "is a pointer of git-lfs, not the file (`git lfs pull` gets it)"
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="pt"):
                return None
    except SafetensorError as error:
        return f"is truncated or not of safetensors ({error})"
    except ValueError as error:
        return f"is not valid json ({error})"
    return None
