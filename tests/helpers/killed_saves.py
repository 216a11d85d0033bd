"""Saves of int8 models that are killed, and what the directory holds then.

As a program: `python -m helpers.killed_saves KILLS` kills so many, half of them at a step and half at a time.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import torch
from helpers.killed_at import killed_at
from helpers.logits import logits
from helpers.tiny import tiny_bert, tiny_tokenizer
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from nc_trainer import OptimizedModel, save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

SIZES = ("5GB", "20KB", "10KB")
"""Of a shard: one file, some shards, more shards."""
LOADERS = (AutoModelForSequenceClassification, OptimizedModel)


def int8_model(scale: float) -> PreTrainedModel:
    """Models of different scales answer differently."""
    model = tiny_bert()
    model.classifier.weight.data *= scale
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    return model


class Saves:
    """Two models that take the place of each other in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.models = [int8_model(1.0), int8_model(2.0)]
        self.answers = [logits(model) for model in self.models]

    def save(self, which: int, size: str) -> None:
        save_for_huggingface_upstream(self.models[which], tiny_tokenizer(), self.directory, max_shard_size=size)

    def found(self) -> int:
        """Which of the models the directory holds, whole, whichever way it is loaded.

        Raises:
            ValueError, AssertionError: neither.
        """
        AutoTokenizer.from_pretrained(self.directory)
        found = {self._which(logits(loader.from_pretrained(self.directory))) for loader in LOADERS}
        assert len(found) == 1
        return found.pop()

    def _which(self, answer: Tensor) -> int:
        return [torch.equal(answer, known) for known in self.answers].index(True)

    def leftovers(self) -> list[str]:
        """The files that a save does not leave behind."""
        ordinary = ("config.json", "tokenizer", "special_tokens_map.json", "model")
        return [path.name for path in self.directory.iterdir() if not path.name.startswith(ordinary)]

    def survives(self, kill: Any, old: str, new: str) -> int:
        """Save the first model, kill the save of the second, and look; then save again, and look for leftovers.

        Args:
            kill: is called with what saves, and says whether that was killed.
            old, new: the sizes of their shards.

        Returns:
            0 if the first model was there, 1 if the second; 2 if the save came to its end before it was killed.
        """
        self.save(0, old)
        was_killed = kill(partial(self.save, 1, new))
        found = self.found()
        assert was_killed or found == 1
        self.save(1, old)
        assert self.found() == 1
        assert self.leftovers() == []
        return found if was_killed else 2


def killed_after(seconds: float, action: Any) -> bool:
    """Do `action` in a fork that is killed after so many seconds. Returns whether it was; False if it had ended."""
    child = os.fork()
    if child == 0:
        action()
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def steps_of_a_save(saves: Saves, old: str, new: str) -> int:
    """How many times a save uses the file system."""
    saves.save(0, old)
    least, most = 0, 1000
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if killed_at(middle, partial(saves.save, 1, new)) else (least, middle)
    return least


def main(kills: int) -> int:
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    chosen, counts, failures = random.Random(0), Counter[int](), 0
    with tempfile.TemporaryDirectory() as temporary:
        saves = Saves(Path(temporary))
        saves.save(0, SIZES[0])
        start = time.perf_counter()
        saves.save(1, SIZES[0])
        duration = time.perf_counter() - start
        steps = {sizes: steps_of_a_save(saves, *sizes) for sizes in [(old, new) for old in SIZES for new in SIZES]}
        while counts[0] + counts[1] + failures < kills:
            sizes = chosen.choice(list(steps))
            at, after = chosen.randrange(1, steps[sizes] + 1), chosen.uniform(0, 1.5 * duration)
            kill = partial(killed_at, at) if counts.total() % 2 else partial(killed_after, after)
            try:
                counts[saves.survives(kill, *sizes)] += 1
            except Exception as error:
                failures += 1
                print(f"{kill} {sizes}: {type(error).__name__}: {error}", flush=True)
    print(f"killed {counts[0] + counts[1] + failures} saves: the old model was there after {counts[0]}, the new one")
    print(f"after {counts[1]}, neither after {failures}; {counts[2]} more came to their end before they were killed")
    return failures


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])) > 0)
