"""What `QuantizationTrainer.quantize()` returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from transformers import PreTrainedModel

from nc_trainer.config.recipe import Recipe
from nc_trainer.explain import Explanations
from nc_trainer.int8.call_counts import repeated_fallbacks
from nc_trainer.report import trial_table
from nc_trainer.report.report_data import ReportData
from nc_trainer.search import CompleteTrial, Metric, StudyResult, Trial
from nc_trainer.search.conclusion import Outcome


@dataclass(frozen=True)
class QuantizationResult:
    """The model, how it came about, and whether it meets the criterion.

    Attributes:
        model: the trainer's model, int8 now; float when `outcome` is `baseline`.
        metric: what was judged.
        baseline: trial 0, the float model.
        study: outcome, reason, the chosen trial and all trials.
        report: what the page about the search shows; None if it is switched off or could not be made.
        calls: how often each module that can be int8 runs in one forward pass.
        explanations: of the chosen trial's predictions, where `tuning.shapley` or the objective asks for them.
    """

    model: PreTrainedModel
    metric: Metric
    baseline: CompleteTrial
    study: StudyResult
    report: ReportData | None = None
    calls: Mapping[str, int] = field(default_factory=dict)
    explanations: Explanations | None = None

    @property
    def outcome(self) -> Outcome:
        """`met`; `best_effort`: no trial met the criterion, the best is kept; `baseline`: no trial could run."""
        return self.study.outcome

    @property
    def reason(self) -> str:
        """One sentence that says why the outcome is what it is."""
        return self.study.reason

    @property
    def chosen(self) -> CompleteTrial:
        """The trial that the model is."""
        return self.study.chosen

    @property
    def recipe(self) -> Recipe:
        """Which modules are int8 and which fell back."""
        return self.chosen.recipe

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials in the order they were judged, without the baseline."""
        return self.study.trials

    @property
    def notes(self) -> tuple[str, ...]:
        """What weakens the outcome, and what the recipe does not show: which fallbacks run more than once."""
        repeated = repeated_fallbacks(self.recipe.fallbacks, self.calls)
        return (*self.study.warnings, repeated) if repeated else self.study.warnings

    def table(self) -> str:
        """The baseline and every trial as a text table, the outcome below, and what weakens it."""
        table = trial_table(self.metric, self.baseline, self.trials, self.chosen, self.calls)
        notes = "".join(f"\nNote: {note}" for note in self.notes)
        explained = f"\n\n{self.explanations.summary()}" if self.explanations else ""
        return f"{table}\n\nOutcome: {self.outcome} ({self.reason}){notes}{explained}"
