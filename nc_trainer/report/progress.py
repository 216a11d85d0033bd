"""One progress line while the search runs; without a terminal, one line for each trial."""

import logging
import sys
import time
from typing import TextIO

import numpy as np
from tqdm.auto import tqdm
from transformers.utils import logging as transformers_logging

from nc_trainer.search import CompleteTrial, Trial
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.listener import Listener

INTERVAL = 0.2
"""Seconds between two looks at the running evaluation."""
FORMAT = "{desc} {percentage:3.0f}%|{bar:16}| {postfix}"


class TrialProgress(Listener):
    """Shows the running trial and how far its evaluation is, the best so far, and an estimate of the time left.

    On a terminal or in a notebook that is one line, which is gone afterwards. Elsewhere, as in a file, it is one line
    for each trial.

    Args:
        disable: show nothing.
        stream: where to.
    """

    def __init__(self, disable: bool, stream: TextIO | None = None) -> None:
        self._disable = disable
        self._file = stream
        self._stream = stream or sys.stderr
        self._plain = not disable and not self._stream.isatty() and not _in_notebook()

    def on_begin(self, reference: Reference, expected_trials: int) -> None:
        """Show that the first trial runs. Until it has ended the float model's evaluation is the estimate of a trial's
        seconds."""
        self._expected = max(1, expected_trials)
        self._metric = reference.criterion.metric
        self._rows = reference.evaluation.rows
        self._agreement = reference.agreement
        self._seconds = [reference.trial.seconds]
        self._finished = 0
        self._best: CompleteTrial | None = None
        self._bar = tqdm(
            total=self._expected,
            desc="Tuning",
            bar_format=FORMAT,
            disable=self._disable or self._plain,
            leave=False,
            file=self._file,
        )
        self._show(0.0)

    def on_end(self) -> None:
        """Take the line away."""
        self._bar.close()

    def on_trial(self, trial: Trial, classes: np.ndarray | None) -> None:
        """Show a trial that has just been judged."""
        self._finished = trial.number
        self._seconds = [*self._seconds[self._finished == 1 :], trial.seconds]
        if isinstance(trial, CompleteTrial) and self._is_best(trial):
            self._best = trial
        if self._plain:
            print(f"Tuning: {self._judged(trial)}; {self._outlook(0.0)}", file=self._stream, flush=True)
        self._show(0.0)

    def on_rows(self, rows: int) -> None:
        """Show that so many rows of the running evaluation are done, a few times a second."""
        if self._rows and time.monotonic() - self._shown >= INTERVAL:
            self._show(min(1.0, rows / self._rows))

    def _show(self, share: float) -> None:
        """The line, with so much of the running evaluation done."""
        self._bar.total = max(self._expected, self._finished + 1)
        self._bar.set_postfix_str(f"trial {self._finished + 1} ({share:.0%}), {self._outlook(share)}", refresh=False)
        self._bar.n = self._finished + share
        self._bar.refresh()
        self._shown = time.monotonic()

    def _outlook(self, share: float) -> str:
        best = "" if self._best is None else f"best {self._metric.name} {self._best.value:.4f}, "
        mean = sum(self._seconds) / len(self._seconds)
        left = max(0.0, self._expected - self._finished - share) * mean
        return f"{best}at most about {_duration(left)} left" if left else f"{best}almost done"

    def _judged(self, trial: Trial) -> str:
        verdict = "met" if trial.accepted else "not met"
        if trial.lucky and self._agreement:
            verdict = f"met by luck: {self._agreement.luck(trial)}"
        if trial.lost_label is not None:
            verdict = f"not met: recall of label {trial.lost_label} lower by {trial.lost_recall:.4f}"
        if trial.state == "pruned":
            return f"trial {trial.number}: {verdict}, stopped after {trial.share:.0%}"
        if not isinstance(trial, CompleteTrial):
            return f"trial {trial.number}: failed"
        return f"trial {trial.number}: {self._metric.name} {trial.value:.4f}, {verdict}"

    def _is_best(self, trial: CompleteTrial) -> bool:
        return self._best is None or self._metric.better(trial.value, self._best.value)


def is_quiet() -> bool:
    """Whether transformers is told to log errors only."""
    return bool(transformers_logging.get_verbosity() >= logging.ERROR)


def _in_notebook() -> bool:
    return any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)


def _duration(seconds: float) -> str:
    """Rounded, because it is an estimate."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
