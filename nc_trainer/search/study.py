"""The loop: take a proposal, judge it, tell the strategy."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.search.conclusion import Conclusion, StudyResult
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.early import EarlyStopping, EarlyVerdict, Watch, known_rows
from nc_trainer.search.objectives.objective import Goal
from nc_trainer.search.statistics.flips import Flips, compare_classes, logits_error
from nc_trainer.search.strategies import SearchSpace, Strategy
from nc_trainer.search.strategies.base import answered, needs_values
from nc_trainer.search.trial import Evaluation, Trial, predicted_classes


@dataclass(frozen=True)
class Budget:
    """When to stop: `timeout` in seconds, 0 for as soon as a recipe is found; `max_trials` evaluations at most.

    When the time is up a running evaluation is stopped too, and leaves no trial, unless no trial has a value yet.
    """

    timeout: float = 0.0
    max_trials: int = 100


@dataclass
class Study:
    """A search over recipes for one model.

    Args:
        swapper: applies a recipe to the model that `evaluate` evaluates.
        evaluate: evaluates the model as it stands; the `Watch` may stop it.
        baseline: trial 0, the float model.
        baseline_evaluation: what trial 0 was made from: flips are counted against its predictions.
        on_trial: told of every new trial, e.g. for a progress line.
        on_rows: told how many rows of the running evaluation were seen.
        trials: what an interrupted search has judged already; it is not judged again.
        classes: the predicted classes of trials, by their number, of as many rows as were seen.
        stopping: whether a trial is stopped that cannot be accepted any more. The first one never is.
        goal: orders accepted trials. Without it the one with the most weights in int8 is chosen.
    """

    space: SearchSpace
    strategy: Strategy
    swapper: ModuleSwapper
    evaluate: Callable[[Watch], Evaluation]
    criterion: Criterion
    budget: Budget
    baseline: Trial
    baseline_evaluation: Evaluation
    on_trial: Callable[[Trial], None] = lambda trial: None
    on_rows: Callable[[int], None] = lambda rows: None
    trials: list[Trial] = field(default_factory=list)
    classes: dict[int, np.ndarray] = field(default_factory=dict)
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    goal: Goal | None = None

    def __post_init__(self) -> None:
        if self.baseline.value is None:
            raise ValueError("Study: the baseline has no value to compare with.")
        self._baseline_value = self.baseline.value
        self._weights = self.swapper.weights(self.space.recipe)
        self._baseline_classes = predicted_classes(self.baseline_evaluation.predictions)
        self._started = time.monotonic()

    def run(self) -> StudyResult:
        """Search until the strategy or the budget ends. The model is left in the last trial's recipe."""
        self._started = time.monotonic() - sum(trial.seconds for trial in self.trials)
        self.trials = [self._with_objectives(trial) for trial in self.trials]
        stopped = "the strategy had nothing left to try"
        proposals = self.strategy.proposals(self.space)
        recipe = next(proposals, None)
        while recipe is not None:
            exhausted = self._exhausted()
            trial = None if exhausted else self._judged(recipe) or self._judge(recipe)
            if trial is None:
                stopped = exhausted or self._exhausted() or stopped
                break
            recipe = answered(proposals, trial)
        proposals.close()
        self._complete_the_closest()
        return self._conclusion().result(stopped)

    def _conclusion(self) -> Conclusion:
        evaluation = self.baseline_evaluation
        return Conclusion(
            self.criterion, self.baseline, evaluation, tuple(self.trials), self.classes, self._weights, self.goal
        )

    def _exhausted(self) -> str | None:
        if len(self.trials) >= self.budget.max_trials:
            return f"max_trials ({self.budget.max_trials}) was reached"
        if time.monotonic() >= self._deadline():
            return f"the timeout of {self.budget.timeout:g} s was reached"
        found = any(trial.accepted for trial in self.trials)
        if found and not self.budget.timeout and not self.strategy.finishes_itself:
            return "the first acceptable recipe was found"
        return None

    def _deadline(self) -> float:
        return self._started + self.budget.timeout if self.budget.timeout else math.inf

    def _judged(self, recipe: Recipe) -> Trial | None:
        """The trial of this recipe, if there is one. The float model needs none, and is never chosen for int8."""
        if not recipe.quantized:
            return self.baseline
        return next((trial for trial in self.trials if trial.recipe == recipe), None)

    def _judge(self, recipe: Recipe, to_its_end: bool = False) -> Trial | None:
        """The trial of this recipe, None if the time was up before its evaluation ended."""
        started = time.monotonic()
        some_value = any(trial.value is not None for trial in self.trials)
        deadline = self._deadline() if some_value else math.inf
        watch = Watch(None if to_its_end else self._early_verdict(), deadline, self.on_rows)
        self.swapper.apply(recipe)
        try:
            evaluation = self.evaluate(watch)
            if watch.out_of_time and not evaluation.complete:
                return None
            trial = (
                self._complete(recipe, evaluation) if evaluation.complete else self._pruned(recipe, evaluation, watch)
            )
        except Exception as error:
            trial = self._failed(recipe, f"{type(error).__name__}: {error}", time.monotonic() - started)
        self.trials.append(trial)
        self.on_trial(trial)
        return trial

    def _early_verdict(self) -> EarlyVerdict | None:
        if not self.stopping.enabled or needs_values(self.strategy):
            return None
        judged = [
            (trial.value, self.classes[trial.number])
            for trial in self.trials
            if trial.value is not None and trial.number in self.classes
        ]
        known = known_rows(self.criterion, self._baseline_value, self.baseline_evaluation, judged)
        return EarlyVerdict(known, self.stopping.error_rate) if known else None

    def _pruned(self, recipe: Recipe, evaluation: Evaluation, watch: Watch) -> Trial:
        verdict = watch.verdict
        if verdict is None or verdict.bounds is None or self._baseline_classes is None:
            raise ValueError("Study: the evaluation ended before its end, and nobody had asked for that.")
        number, seen = len(self.trials) + 1, len(verdict.classes)
        self.classes[number] = verdict.classes
        labels = self.baseline_evaluation.labels[:seen]
        return Trial(
            number=number,
            recipe=recipe,
            value=None,
            accepted=False,
            seconds=evaluation.seconds,
            low=verdict.bounds.low,
            high=verdict.bounds.high,
            share=verdict.share,
            **_flip_fields(compare_classes(self._baseline_classes[:seen], verdict.classes, labels)),
        )

    def _complete_the_closest(self) -> None:
        """If nothing was accepted, evaluate the pruned trial that came closest to its end, if it may be the best.

        That is the one with the highest middle of what its metric could have become. Where a value is known already
        and no time is left, it is not.
        """
        if any(trial.accepted for trial in self.trials):
            return
        complete = [trial for trial in self.trials if trial.value is not None]
        pruned = [trial for trial in self.trials if trial.state == "pruned"]
        closest = max(pruned, key=self._middle, default=None)
        if closest is None or closest.recipe in [trial.recipe for trial in complete]:
            return
        best = max(
            (self.criterion.metric.key(trial.value) for trial in self.trials if trial.value is not None),
            default=-math.inf,
        )
        if best < max(self._ends(closest)) and (not complete or time.monotonic() < self._deadline()):
            self._judge(closest.recipe, to_its_end=True)

    def _ends(self, trial: Trial) -> list[float]:
        """What a pruned trial could have become; larger is better."""
        return [self.criterion.metric.key(end) for end in (trial.low, trial.high) if end is not None]

    def _middle(self, trial: Trial) -> float:
        ends = self._ends(trial)
        return sum(ends) / len(ends)

    def _complete(self, recipe: Recipe, evaluation: Evaluation) -> Trial:
        value = evaluation.metrics[self.criterion.metric.name]
        if not math.isfinite(value):
            return self._failed(recipe, f"{self.criterion.metric.name} is {value}", evaluation.seconds)
        classes = predicted_classes(evaluation.predictions)
        number = len(self.trials) + 1
        if classes is not None:
            self.classes[number] = classes
        flips = compare_classes(self._baseline_classes, classes, self.baseline_evaluation.labels)
        error = logits_error(self.baseline_evaluation.predictions, evaluation.predictions)
        trial = Trial(
            number=number,
            recipe=recipe,
            value=value,
            accepted=self.criterion.accepts(value, self._baseline_value),
            seconds=evaluation.seconds,
            metrics=evaluation.metrics,
            logits_error=error.relative if error else None,
            **_flip_fields(flips),
        )
        return self._with_objectives(trial)

    def _with_objectives(self, trial: Trial) -> Trial:
        """The trial with what orders it among accepted ones; a search under another timeout may not have asked.

        What takes forward passes is not measured any more when the time is up.
        """
        if self.goal is None or not trial.accepted or self.goal.names <= set(trial.objectives):
            return trial
        if self.goal.costly and time.monotonic() >= self._deadline():
            return trial
        self.swapper.apply(trial.recipe)
        return replace(trial, objectives=self.goal.measure(trial))

    def _failed(self, recipe: Recipe, error: str, seconds: float) -> Trial:
        return Trial(len(self.trials) + 1, recipe, None, False, seconds, error=error)


def _flip_fields(flips: Flips | None) -> dict[str, Any]:
    if flips is None:
        return {}
    counted = {"better": flips.better, "worse": flips.worse, "p_value": flips.p_value}
    return {"flips": flips.changed, "rows": flips.rows, **counted}
