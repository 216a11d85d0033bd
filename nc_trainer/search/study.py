"""The loop: take a proposal, judge it, tell the strategy."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.search.agreement import is_cheap
from nc_trainer.search.conclusion import Conclusion, StudyResult
from nc_trainer.search.early import EarlyStopping, EarlyVerdict, Watch, known_rows
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.judge import complete_trial, failed_trial, pruned_trial
from nc_trainer.search.listener import Listener
from nc_trainer.search.objectives.objective import Goal
from nc_trainer.search.strategies import SearchSpace, Strategy
from nc_trainer.search.strategies.base import answered, needs_values
from nc_trainer.search.trial import Evaluation, Trial, complete, predicted_answers


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
        space: what is searched.
        strategy: proposes recipes.
        swapper: applies a recipe to the model that `evaluate` evaluates.
        evaluate: evaluates the model as it stands; the `Watch` may stop it.
        reference: the float model, and what trials have to meet.
        budget: when to stop.
        stopping: whether a trial is stopped that cannot be accepted any more. The first one never is.
        goal: orders accepted trials. Without it the one with the most weights in int8 is chosen.
        listeners: told of every new trial and of the rows of the running evaluation.
        trials: what an interrupted search has judged already; it is not judged again.
        classes: the predicted classes of trials, by their number, of as many rows as were seen; of a regression its
            numbers.
    """

    space: SearchSpace
    strategy: Strategy
    swapper: ModuleSwapper
    evaluate: Callable[[Watch], Evaluation]
    reference: Reference
    budget: Budget
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    goal: Goal | None = None
    listeners: Sequence[Listener] = ()
    trials: list[Trial] = field(default_factory=list)
    classes: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._weights = self.swapper.weights(self.space.recipe)
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
            trial = None if exhausted else self._known(recipe) or self._judge(recipe)
            if trial is None:
                stopped = exhausted or self._exhausted() or stopped
                break
            recipe = answered(proposals, trial)
        proposals.close()
        self._complete_the_closest()
        return Conclusion(self.reference, tuple(self.trials), self.classes, self._weights, self.goal).result(stopped)

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

    def _known(self, recipe: Recipe) -> Trial | None:
        """The trial of this recipe, if there is one. The float model needs none, and is never chosen for int8."""
        if not recipe.quantized:
            return self.reference.trial
        return next((trial for trial in self.trials if trial.recipe == recipe), None)

    def _judge(self, recipe: Recipe, to_its_end: bool = False) -> Trial | None:
        """A new trial of this recipe, None if the time was up before its evaluation ended."""
        number, started = len(self.trials) + 1, time.monotonic()
        watch = Watch(
            None if to_its_end else self._early_verdict(recipe), self._evaluation_deadline(), self._tell_rows
        )
        classes = None
        self.swapper.apply(recipe)
        try:
            evaluation = self.evaluate(watch)
            if watch.out_of_time and not evaluation.complete:
                return None
            if evaluation.complete:
                trial = self._with_objectives(complete_trial(number, recipe, evaluation, self.reference))
                classes = predicted_answers(evaluation.predictions, self.reference.evaluation.labels)
            else:
                trial = pruned_trial(number, recipe, evaluation, self.reference, watch.verdict)
                classes = watch.verdict.classes if watch.verdict else None
        except Exception as error:
            trial = failed_trial(number, recipe, f"{type(error).__name__}: {error}", time.monotonic() - started)
        self._keep(trial, None if trial.state == "failed" else classes)
        return trial

    def _evaluation_deadline(self) -> float:
        """The first value is waited for."""
        return self._deadline() if complete(self.trials) else math.inf

    def _tell_rows(self, rows: int) -> None:
        for listener in self.listeners:
            listener.on_rows(rows)

    def _keep(self, trial: Trial, classes: np.ndarray | None) -> None:
        self.trials.append(trial)
        if classes is not None:
            self.classes[trial.number] = classes
        for listener in self.listeners:
            listener.on_trial(trial, classes)

    def _early_verdict(self, recipe: Recipe) -> EarlyVerdict | None:
        if not self.stopping.enabled or needs_values(self.strategy):
            return None
        judged = [
            (trial.value, self.classes[trial.number])
            for trial in complete(self.trials)
            if trial.number in self.classes
        ]
        mended = any(trial.accepted and is_cheap(recipe, trial.recipe) for trial in self.trials)
        known = known_rows(self.reference, judged, lucky_is_refused=mended)
        return EarlyVerdict(known, self.stopping.error_rate) if known else None

    def _complete_the_closest(self) -> None:
        """If nothing was accepted, evaluate the pruned trial that came closest to its end, if it may be the best.

        That is the one with the highest middle of what its metric could have become. Where a value is known already
        and no time is left, it is not.
        """
        if any(trial.accepted for trial in self.trials):
            return
        finished = complete(self.trials)
        pruned = [trial for trial in self.trials if trial.state == "pruned"]
        closest = max(pruned, key=self._middle, default=None)
        if closest is None or closest.recipe in [trial.recipe for trial in finished]:
            return
        best = max((self._key(trial.value) for trial in finished), default=-math.inf)
        if best < max(self._ends(closest)) and (not finished or time.monotonic() < self._deadline()):
            self._judge(closest.recipe, to_its_end=True)

    def _ends(self, trial: Trial) -> list[float]:
        """What a pruned trial could have become; larger is better."""
        return [self._key(end) for end in (trial.low, trial.high) if end is not None]

    def _middle(self, trial: Trial) -> float:
        ends = self._ends(trial)
        return sum(ends) / len(ends)

    def _key(self, value: float) -> float:
        return self.reference.criterion.metric.key(value)

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
