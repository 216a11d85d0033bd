"""Who is told of what a search does: a progress line, TensorBoard's files, the logs of a Trainer."""

import numpy as np

from nc_trainer.search.float_reference import Reference
from nc_trainer.search.trial import Trial


class Listener:
    """Told of a search while it runs. A subclass overrides what it wants to know."""

    def on_begin(self, reference: Reference, expected_trials: int) -> None:
        """The float model has been judged, and about so many trials follow."""

    def on_rows(self, rows: int) -> None:
        """So many rows of the running evaluation have been seen."""

    def on_trial(self, trial: Trial, classes: np.ndarray | None) -> None:
        """A trial has been judged. `classes` are predicted, of the rows that were seen, None where there are none."""

    def on_end(self) -> None:
        """There will be no more trials, because the search has ended or because of an error."""
