"""Evaluations that can be compared: each begins in the same random state, and disturbs nothing that it finds."""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainingArguments


@contextmanager
def same_random_state(trainer: Trainer) -> Iterator[None]:
    """Seed Python, NumPy and torch with the trainer's seed, and give them their state back afterwards.

    Samplers that group rows by length and data sets that shuffle draw from these: rows come in the same order again.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(trainer.args.seed)
    np.random.seed(trainer.args.seed % 2**32)
    torch.manual_seed(trainer.args.seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


@contextmanager
def on_evaluate_kept_quiet(trainer: Trainer) -> Iterator[None]:
    """No callback is told that an evaluation has ended.

    Those that keep the best evaluation, count down to an early stop or save would take a trial for one of training.
    """
    before = [(callback, vars(callback).get("on_evaluate")) for callback in trainer.callback_handler.callbacks]
    for callback, _ in before:
        callback.on_evaluate = _nothing
    try:
        yield
    finally:
        for callback, own in before:
            if own is None:
                del callback.on_evaluate
            else:
                callback.on_evaluate = own


def _nothing(*args: Any, **kwargs: Any) -> None:
    """In place of a callback's method."""


def shows_no_progress(args: TrainingArguments) -> bool:
    """Whether these arguments switch progress bars off, or all logs but errors."""
    return bool(args.disable_tqdm or args.get_process_log_level() >= logging.ERROR)


@contextmanager
def without_progress_bars(trainer: Trainer) -> Iterator[None]:
    """Take Trainer's own bars and printed logs away: the search shows one line of its own."""
    callbacks = trainer.callback_handler.callbacks
    before = list(callbacks)
    callbacks[:] = [one for one in before if type(one) not in (ProgressCallback, PrinterCallback)]
    try:
        yield
    finally:
        callbacks[:] = before
