"""Damaged int8 directories, and what loading them comes to.

As a program: `python -m helpers.fuzzed_directories CASES` counts the outcomes, and shows the cases that must not be.
"""

import faulthandler
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch
from helpers.damage import (
    BYTES,
    ENTRIES,
    FILES,
    INDEX,
    JSON_FILES,
    REGIONS,
    damage_bytes,
    damage_file,
    damage_header,
    damage_json,
)
from helpers.logits import logits
from helpers.tiny import tiny_bert
from torch import Tensor
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from nc_trainer import NCTrainerError, OptimizedModel, save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

LOADERS = {"auto": AutoModelForSequenceClassification.from_pretrained, "optimized": OptimizedModel.from_pretrained}
SECONDS = 30
"""What takes longer hangs: such a model is loaded in less than one."""

SAME = "the same logits"
OTHER = "other logits"
CLEAR = "a clear error"
HANGS = "hangs"

Damage = Callable[[Random, Path], None]


def kinds() -> Iterator[tuple[str, Damage]]:
    """Every kind of damage in every part of a directory, by a name that says which."""
    for region in REGIONS:
        for change in BYTES:
            yield f"{change.__name__}-{region}", partial(damage_bytes, change, region)
    for entry in ENTRIES:
        yield f"{entry.__name__}-in-header", partial(damage_header, entry)
        for name in JSON_FILES:
            yield f"{entry.__name__}-{name}", partial(damage_json, entry, name)
    for file in FILES:
        for name in (*JSON_FILES, "weights"):
            yield f"{name}-{file.__name__}", partial(damage_file, file, name)


KINDS = dict(kinds())


class Hanging(BaseException):
    """Nobody catches it."""


class Originals:
    """Whole int8 directories to make damaged copies of: one file or shards, fp32 or bfloat16 beside int8."""

    def __init__(self, directory: Path) -> None:
        self.paths = [directory / "single", directory / "sharded"]
        self.answers = [
            self._save(self.paths[0], "float32", embeddings=True),
            self._save(self.paths[1], "bfloat16", max_shard_size="20KB"),
        ]

    def _save(self, path: Path, float_dtype: str, embeddings: bool = False, **options: Any) -> Tensor:
        model = tiny_bert()
        recipe = full_recipe(model, embeddings=embeddings).with_rest_in(float_dtype)
        ModuleSwapper(model).apply(recipe)
        attach(model, recipe)
        save_for_huggingface_upstream(model, None, path, **options)
        return logits(model)

    def outcomes(self, kind: str, seed: int, copy: Path) -> dict[str, str]:
        """What each way to load comes to, for one damage; `copy` is where it is made."""
        random = Random(f"{kind} {seed}")
        number = random.randrange(2) if INDEX not in kind else 1
        shutil.copytree(self.paths[number], copy)
        KINDS[kind](random, copy)
        return {name: outcome(partial(load, copy), self.answers[number]) for name, load in LOADERS.items()}


def outcome(load: Callable[[], Any], answer: Tensor) -> str:
    """SAME, OTHER, CLEAR or HANGS, or what was raised instead."""
    try:
        with limited(SECONDS):
            found = logits(load())
    except Hanging:
        return HANGS
    except Exception as error:
        return CLEAR if is_clear(error) else f"{type(error).__name__}: {error}"
    return SAME if torch.equal(found, answer) else OTHER


def is_clear(error: Exception) -> bool:
    """Whether it is ours, or one of transformers that says in words what is wrong with the directory.

    Subclasses of ValueError (JSONDecodeError, UnicodeDecodeError ...) do not name the file.
    """
    return isinstance(error, NCTrainerError) or (type(error) in (ValueError, OSError) and bool(str(error).strip()))


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Hanging in what takes longer. What never comes back from C ends the process, with its stack."""

    def stop(*arguments: object) -> None:
        raise Hanging

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(4 * seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main(cases: int) -> int:
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        originals = Originals(Path(temporary))
        for case in range(cases):
            kind, copy = list(KINDS)[case % len(KINDS)], Path(temporary, "copy")
            for loader, found in originals.outcomes(kind, case // len(KINDS), copy).items():
                counts[loader, found if found in (SAME, OTHER, CLEAR, HANGS) else "another error"] += 1
                if found not in (SAME, CLEAR):
                    print(f"{kind} {case // len(KINDS)} {loader}: {' '.join(found.split())[:300]}", flush=True)
            shutil.rmtree(copy)
    for (loader, found), count in sorted(counts.items()):
        print(f"{count:6} {loader}: {found}")
    return sum(count for (_, found), count in counts.items() if found not in (SAME, CLEAR))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])) > 0)
