"""The journal of one search: where it is, what it is compared with, and what becomes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import ConfigError, QuantizationError
from nc_trainer.hub.unsaved import keep_until_saved
from nc_trainer.search.fingerprint import search_fingerprint
from nc_trainer.search.journal import Journal
from nc_trainer.search.listener import Listener
from nc_trainer.search.search import Search
from nc_trainer.search.trial import Trial

JOURNAL = "_tuning.jsonl"
"""In the output directory. The underscore keeps it out of what `push_to_hub` uploads."""


@contextmanager
def search_journal(search: Search, recipe: Recipe) -> Iterator[Journal]:
    """Open the journal of a search, or start one. It is kept until the model is saved, and after an error.

    A search that failed before it found anything out leaves nothing that the next one would have to fit.

    Args:
        recipe: has everything in int8 that may be.

    Raises:
        ConfigError: there is no journal where the configuration says.
        NCTrainerError: what the journal holds does not fit, see `Journal.open`.
    """
    fingerprint = search_fingerprint(
        search.model,
        recipe,
        search.config,
        metric=search.metric,
        higher_is_better=search.higher_is_better,
        evaluation_data=search.rows.evaluation_data,
        calibration_data=search.rows.calibration_data,
    )
    with Journal.open(_path(search), fingerprint) as journal:
        try:
            yield journal
        except BaseException:
            if journal.baseline is None:
                journal.path.unlink(missing_ok=True)
            raise
        journal.record_end()
    keep_until_saved(search.model, journal.path)


class JournalWriter(Listener):
    """Keeps every trial."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def on_trial(self, trial: Trial, classes: np.ndarray | None) -> None:
        """It is on the disk when this returns."""
        self.journal.record_trial(trial, classes)


def record_or_compare(journal: Journal, baseline: Trial) -> None:
    """Keep the baseline, or check that the one kept is the same.

    The fingerprint cannot see `compute_metrics` or a collator; the float model's own number can.

    Raises:
        QuantizationError: it is not.
    """
    known = journal.baseline
    if known is not None and known.value != baseline.value and journal.is_finished:
        journal.start_again()
        known = None
    if known is None:
        journal.record_trial(baseline)
    elif known.value != baseline.value:
        raise QuantizationError(
            f"{journal.path}: the float model's metric was {known.value} when the search began, now it is "
            f"{baseline.value}: the metric, the collator or the batches have changed. Delete the file to start again."
        )


def _path(search: Search) -> Path:
    resume = search.config.tuning.workspace.resume
    if resume is None:
        return search.workspace / JOURNAL
    path = Path(resume) / JOURNAL if Path(resume).is_dir() else Path(resume)
    if not path.exists():
        raise ConfigError(
            f"`tuning.workspace.resume`: there is no {path}. Expected the journal of an interrupted search "
            f"({JOURNAL}); leave the key out to start anew or to go on with the one in the workspace."
        )
    return path
