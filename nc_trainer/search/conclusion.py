"""Which trial won and why, from all that were judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nc_trainer.search.agreement import is_cheap
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.objectives.objective import Goal
from nc_trainer.search.statistics.evidence import JudgedRows, gather
from nc_trainer.search.statistics.shortfall import missing_rows, shortfall
from nc_trainer.search.statistics.verdict import warnings_for
from nc_trainer.search.trial import CompleteTrial, Trial, complete

Outcome = Literal["met", "best_effort", "baseline"]


@dataclass(frozen=True)
class StudyResult:
    """What a search ended with.

    Attributes:
        outcome: `met`; `best_effort`: no trial met the criterion; `baseline`: no trial could be evaluated.
        reason: one sentence that says why.
        chosen: the trial that the model is; trial 0 when the outcome is `baseline`.
        trials: all trials in the order they were judged, without the baseline.
        warnings: what should be known before the outcome is believed, see `tuning.verdict`.
    """

    outcome: Outcome
    reason: str
    chosen: CompleteTrial
    trials: tuple[Trial, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conclusion:
    """What a search has judged, and what that amounts to.

    Args:
        reference: the float model, and what is accepted.
        trials: in the order they were judged.
        classes: the predicted classes of trials, by their number.
        weights: number of weights of each module.
        goal: orders accepted trials.
    """

    reference: Reference
    trials: tuple[Trial, ...]
    classes: Mapping[int, np.ndarray]
    weights: Mapping[str, int]
    goal: Goal | None = None

    def result(self, stopped: str) -> StudyResult:
        """The verdict.

        Args:
            stopped: why the search ended.
        """
        finished = complete(self.trials)
        accepted = self._accepted(finished)
        rule = self.reference.rule()
        if accepted:
            best, why = self._best(accepted)
            chosen = max(best, key=self._preference)
            return self._result("met", f"{self._meets(chosen, rule)}{why}{self._not_taken(chosen)}", chosen)
        if finished:
            chosen = max(finished, key=self._closeness)
            reason = f"no trial meets {rule}; {stopped}; trial {chosen.number} comes closest with {chosen.value:.4f}"
            return self._result("best_effort", f"{reason}, {self._missed(chosen)}", chosen)
        errors = "; ".join(f"trial {trial.number}: {trial.error}" for trial in self.trials)
        return self._result("baseline", f"no trial could be evaluated ({errors or stopped})", self.reference.trial)

    def _accepted(self, finished: list[CompleteTrial]) -> list[CompleteTrial]:
        """Those that are; where that takes more than a few fallbacks, those that are by their metric alone."""
        accepted = [trial for trial in finished if trial.accepted]
        lucky = [trial for trial in finished if trial.lucky]
        if not lucky:
            return accepted
        most = max(lucky, key=lambda trial: len(trial.recipe.quantized))
        return accepted if any(is_cheap(most.recipe, trial.recipe) for trial in accepted) else lucky

    def _meets(self, trial: CompleteTrial, rule: str) -> str:
        """What the trial is accepted for."""
        if self.reference.meets(trial.value):
            return f"trial {trial.number} meets {rule}"
        return (
            f"trial {trial.number} cannot be told from the float model: {trial.flips} of {trial.rows} predictions "
            f"changed (+{trial.better} -{trial.worse}, p {trial.p_value:.2f}), which leaves {trial.value:.4f} "
            f"where the metric alone would have to be {rule}"
        )

    def _not_taken(self, chosen: CompleteTrial) -> str:
        """Why a trial whose metric meets the criterion with more in int8 was not taken."""
        better = (trial for trial in complete(self.trials) if self.reference.meets(trial.value))
        more = [trial for trial in better if self._weighs_more(trial, chosen)]
        lost = [trial for trial in more if trial.lost_label is not None]
        lucky = [trial for trial in more if trial.lucky]
        said = ""
        if lucky and self.reference.agreement is not None:
            trial = max(lucky, key=self._preference)
            said += f"; trial {trial.number} does by luck: {self.reference.agreement.luck(trial)}"
        if lost:
            trial = max(lost, key=self._preference)
            said += f"; of trial {trial.number} the {_lost(trial)}"
        return said

    def _closeness(self, trial: CompleteTrial) -> tuple[float, float, float, int]:
        """Of refused trials: the least loss beyond the criterion, then of recall, then the metric."""
        limit = self.reference.criterion.threshold(self.reference.value)
        key = self._key(trial)
        within = min(key, self.reference.criterion.metric.key(limit))
        return within, -(trial.lost_recall or 0.0), key, self._int8_weights(trial)

    def _missed(self, trial: CompleteTrial) -> str:
        """What a refused trial lacks."""
        missed = [] if self.reference.meets(trial.value) else [self._shortfall(trial)]
        return " and ".join(missed if trial.lost_label is None else [*missed, f"the {_lost(trial)}"])

    def _weighs_more(self, trial: CompleteTrial, chosen: CompleteTrial) -> bool:
        return self._int8_weights(trial) > self._int8_weights(chosen)

    def _best(self, accepted: list[CompleteTrial]) -> tuple[list[CompleteTrial], str]:
        """The accepted trials that no other beats by more than errors of measurement, and what was compared."""
        goal = self.goal
        measured = [trial for trial in accepted if goal is not None and goal.names <= set(trial.objectives)]
        if goal is None or len(measured) < 2:
            return accepted, ""
        indices = goal.best([trial.objectives for trial in measured], self.reference.trial.objectives)
        which = "that do" if len(measured) == len(accepted) else "that do and were measured"
        return [measured[index] for index in indices], f", best in {goal.name} of the {len(measured)} {which}"

    def _result(self, outcome: Outcome, reason: str, chosen: CompleteTrial) -> StudyResult:
        return StudyResult(outcome, reason, chosen, self.trials, tuple(self._warnings(chosen)))

    def _warnings(self, chosen: CompleteTrial) -> list[str]:
        judged = [trial for trial in complete(self.trials) if trial.number in self.classes]
        rows = self._rows_of(judged, chosen)
        said = warnings_for(self.reference.criterion, self.reference.value, rows) if rows else []
        if chosen.lucky and self.reference.agreement:
            said.insert(0, f"{self.reference.agreement.luck(chosen)}: new rows may not meet the criterion.")
        return said

    def _shortfall(self, trial: CompleteTrial) -> str:
        rows = self._rows_of([trial]) if trial.number in self.classes else None
        formula = gather(self.reference.criterion, self.reference.value, rows, None).formula if rows else None
        missing = None
        if rows and formula:
            missing = missing_rows(
                formula, self.reference.criterion, self.reference.value, rows.labels, rows.trials[0]
            )
        return shortfall(self.reference.criterion, self.reference.value, trial.value, missing)

    def _rows_of(self, trials: list[CompleteTrial], chosen: CompleteTrial | None = None) -> JudgedRows | None:
        """None where the float model's rows are not known."""
        labels, classes = self.reference.evaluation.labels, self.reference.classes
        if not isinstance(labels, np.ndarray) or classes is None:
            return None
        return JudgedRows(
            labels=labels,
            baseline=classes,
            trials=[self.classes[trial.number] for trial in trials],
            chosen=trials.index(chosen) if chosen in trials else None,
            preference=[float(self._int8_weights(trial)) for trial in trials],
            stopped=sum(trial.state == "pruned" for trial in self.trials),
        )

    def _key(self, trial: CompleteTrial) -> float:
        return self.reference.criterion.metric.key(trial.value)

    def _preference(self, trial: CompleteTrial) -> tuple[int, int, bool, float]:
        """Of accepted trials: the most weights in int8, then the fewest modules that have columns in float, then a
        rest that is narrower than float32, then the metric."""
        recipe = trial.recipe
        return (
            self._int8_weights(trial),
            -len(recipe.float_columns),
            recipe.float_dtype != "float32",
            self._key(trial),
        )

    def _int8_weights(self, trial: Trial) -> int:
        return sum(self.weights[name] for name in trial.recipe.quantized)


def _lost(trial: Trial) -> str:
    return f"recall of label {trial.lost_label} is lower by {trial.lost_recall:.4f}"
