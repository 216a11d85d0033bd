"""Searches that are killed, and whether a second one goes on where the first stopped.

As a program: `python -m helpers.killed_searches KILLS` kills so many, half of them at a batch and half at a time.
"""

import os
import random
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from helpers.killable import PER_EVALUATION, Counted, KilledAtBatch, batches_kept, recorded, search
from helpers.killed_saves import killed_after
from transformers.utils import logging

from nc_trainer.report.result import QuantizationResult


class Searches:
    """One search that ends, to compare others with."""

    def __init__(self, directory: Path) -> None:
        counted, start = Counted(), time.perf_counter()
        self.result: QuantizationResult = search(directory, counted)
        self.batches, self.seconds = counted.batches, time.perf_counter() - start

    def resumed(self, directory: Path) -> int:
        """Search again where a search was killed. Returns how many batches were evaluated.

        Raises:
            AssertionError: a trial or the result is another one than without the kill.
        """
        counted = Counted()
        result = search(directory, counted)
        assert recorded(result) == recorded(self.result)
        assert (result.recipe, result.reason) == (self.result.recipe, self.result.reason)
        return counted.batches

    def killed_at_batch(self, directory: Path, batch: int) -> None:
        """Kill a search at a batch, and see that no finished trial is evaluated again."""
        child = os.fork()
        if child == 0:
            search(directory, KilledAtBatch(batch, lambda: os.kill(os.getpid(), signal.SIGKILL)))
            os._exit(1)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        kept = batches_kept(self.result.trials, batch - 1)
        assert self.resumed(directory) == PER_EVALUATION + self.batches - kept

    def killed_at_time(self, directory: Path, seconds: float) -> None:
        """Kill a search after so many seconds, wherever it is then: the result is the same."""
        killed_after(seconds, partial(search, directory, Counted()))
        assert self.resumed(directory) <= PER_EVALUATION + self.batches


def main(kills: int) -> int:
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    chosen, failures = random.Random(0), 0
    with tempfile.TemporaryDirectory() as temporary:
        searches = Searches(Path(temporary, "whole"))
        for number in range(kills):
            batch, seconds = chosen.randrange(1, searches.batches), chosen.uniform(0, searches.seconds)
            directory = Path(temporary, str(number))
            try:
                if number % 2:
                    searches.killed_at_time(directory, seconds)
                else:
                    searches.killed_at_batch(directory, batch)
            except Exception as error:
                failures += 1
                print(f"batch {batch}, {seconds:.2f} s: {type(error).__name__}: {error}", flush=True)
    print(f"killed {kills} searches: {kills - failures} went on where they had stopped, {failures} did not")
    return failures


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])) > 0)
