"""From a model, evaluations of it and a configuration to an int8 model: the steps of a search, in order."""

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, set_seed

from nc_trainer.config import ReportConfig, TuningConfig
from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import ConfigError, QuantizationError
from nc_trainer.explain import check_shap
from nc_trainer.hub import attach
from nc_trainer.int8.call_counts import call_counts
from nc_trainer.int8.checked_model import searchable
from nc_trainer.int8.float_parts import float_dtype
from nc_trainer.int8.fusion import with_fusions
from nc_trainer.int8.module_tree import named_modules
from nc_trainer.int8.padding import with_padding_skipped
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.report.collect import Searched, model_name, try_to_collect
from nc_trainer.report.plots import check_matplotlib
from nc_trainer.report.progress import TrialProgress, is_quiet
from nc_trainer.report.result import QuantizationResult
from nc_trainer.report.row_source import EvaluationRows
from nc_trainer.report.tensorboard_trials import TensorBoardTrials, check_tensorboard
from nc_trainer.search import (
    Budget,
    Criterion,
    EarlyStopping,
    Evaluation,
    Metric,
    Strategy,
    Study,
    StudyResult,
    Trial,
    choose_metric,
    make_strategy,
)
from nc_trainer.search.calibration.calibration import Calibration
from nc_trainer.search.constraints import constrain
from nc_trainer.search.fingerprint import search_fingerprint
from nc_trainer.search.journal import Journal
from nc_trainer.search.objectives.goal import make_goal
from nc_trainer.search.objectives.objective import Goal, Objective
from nc_trainer.search.objectives.shapley_mse import ExplainedData, ShapleyMSE, try_to_explain
from nc_trainer.search.strategies.constrained import Constrained
from nc_trainer.search.strategies.float_dtype import NarrowFloat
from nc_trainer.search.together import Together

JOURNAL = "_tuning.jsonl"
"""In the output directory. The underscore keeps it out of what `push_to_hub` uploads."""

logger = logging.getLogger(__name__)


class Tuner(ABC):
    """One search: what every source of data and evaluations has in common. Subclasses say where these come from.

    Attributes:
        model: the float model; it is changed in place.
        config: what was asked for.
        evaluate: evaluates the model as it stands.
        objective: orders accepted recipes instead of what the configuration names.
        log_trial: told of every finished trial.
    """

    def __init__(self, model: PreTrainedModel, config: TuningConfig, evaluate: Callable[..., Evaluation]) -> None:
        self.model = model
        self.config = config
        self.strategy: Strategy = make_strategy(config.tuning.strategy.name)
        self.swapper = ModuleSwapper(model)
        self.evaluate = evaluate
        self.objective: Objective | None = None
        self.log_trial: Callable[[Trial], None] = lambda trial: None
        if config.tuning.tensorboard:
            check_tensorboard()
        if config.tuning.report.plots:
            check_matplotlib()

    def run(self) -> QuantizationResult:
        """Baseline, search, and the model left in the chosen recipe.

        What is found out on the way stands in a journal, so that the same call goes on after a crash; it is
        deleted when the search has ended.
        """
        with searchable(self.model):
            return self._run()

    def _run(self) -> QuantizationResult:
        started = time.monotonic()
        recipe = self._complete(self._constrained(full_recipe(self.model, embeddings=self._embeddings())))
        calls = call_counts(self.model, recipe.modules, self._example())
        with self._open_journal(recipe) as journal, _restored_on_error(self.swapper), _dropped_if_empty(journal):
            set_seed(self.config.tuning.random_seed)
            shapley = self._shapley_mse(recipe)
            evaluation, criterion = self._criterion(self.evaluate())
            metric = criterion.metric
            baseline = _baseline(recipe, evaluation, metric)
            goal = self._goal(metric, baseline, shapley)
            baseline = replace(baseline, objectives=goal.measure(baseline)) if goal else baseline
            _record_baseline(journal, baseline)
            study = self._study(recipe, criterion, baseline, evaluation, journal, goal)
            result = self._search(study, journal)
            searched = self._searched(study, result, journal, calls, time.monotonic() - started)
            explanations = try_to_explain(shapley, result.chosen)
            report = try_to_collect(searched, self.swapper, self._report(), explanations)
            _settle(self.model, self.swapper, result)
        journal.path.unlink()
        return QuantizationResult(self.model, metric, baseline, result, report, calls, explanations)

    def _constrained(self, recipe: Recipe) -> Recipe:
        """What the configuration fixes is fixed in the recipe, and the strategy is shown the rest."""
        kinds = {name: type(module).__name__ for name, module in named_modules(self.model)}
        constraints = constrain(self.config.quantization, recipe, kinds)
        if constraints.free != tuple(recipe.modules):
            self.strategy = Constrained(self.strategy, constraints.free)
        return constraints.recipe

    def _complete(self, recipe: Recipe) -> Recipe:
        """How the rest computes, what is fused, and whether padding counts, as forward passes over one row show.

        A narrow float dtype that nobody insists on is given up where the criterion does not allow it.
        """
        wanted = self.config.quantization.float_dtype
        recipe = recipe.with_float_dtype(float_dtype(wanted))
        if wanted == "auto" and recipe.float_dtype != "float32":
            self.strategy = NarrowFloat(self.strategy, stops_when_found=not self.config.tuning.exit_policy.timeout)
        example = self._example()
        return with_padding_skipped(self.swapper, with_fusions(self.model, recipe, example), example)

    def _open_journal(self, recipe: Recipe) -> Journal:
        metric, direction = self._wanted()
        fingerprint = search_fingerprint(
            self.model,
            recipe,
            self.config,
            metric=metric,
            higher_is_better=direction,
            evaluation_data=self._evaluation_data(),
            calibration_data=self._calibration_data(),
        )
        return Journal.open(self._journal_path(), fingerprint)

    def _workspace(self) -> Path:
        return Path(self.config.tuning.workspace.path or self._output_dir())

    def _journal_path(self) -> Path:
        resume = self.config.tuning.workspace.resume
        if resume is None:
            return self._workspace() / JOURNAL
        path = Path(resume) / JOURNAL if Path(resume).is_dir() else Path(resume)
        if not path.exists():
            raise ConfigError(
                f"`tuning.workspace.resume`: there is no {path}. Expected the journal of an interrupted search "
                f"({JOURNAL}); leave the key out to start anew or to go on with the one in the workspace."
            )
        return path

    def _shapley_mse(self, recipe: Recipe) -> ShapleyMSE | None:
        """What explains recipes, if that is asked for. It explains the float model at once: errors come early."""
        tuning = self.config.tuning
        if not tuning.explains:
            return None
        check_shap()
        seed = tuning.random_seed if tuning.shapley.seed is None else tuning.shapley.seed
        shapley = ShapleyMSE(self.swapper, recipe.in_float(), self._explained_data(seed), tuning.shapley, seed)
        self.swapper.restore()
        return shapley

    def _goal(self, metric: Metric, baseline: Trial, shapley: ShapleyMSE | None) -> Goal | None:
        if self.objective is not None:
            return Goal((self.objective,), (1.0,))
        return make_goal(self.config.tuning, metric, self.swapper, baseline.recipe, self._timed_batches, shapley)

    def _study(
        self,
        recipe: Recipe,
        criterion: Criterion,
        baseline: Trial,
        evaluation: Evaluation,
        journal: Journal,
        goal: Goal | None,
    ) -> Study:
        tuning = self.config.tuning
        policy = tuning.exit_policy
        calibration = self._calibration()
        return Study(
            space=calibration.search_space(self.swapper, recipe, criterion, baseline, journal, evaluation.rows),
            strategy=self.strategy,
            swapper=self.swapper,
            evaluate=self.evaluate,
            criterion=criterion,
            budget=Budget(policy.timeout, 1 if policy.performance_only else policy.max_trials),
            baseline=baseline,
            baseline_evaluation=evaluation,
            trials=list(journal.trials),
            classes={number: array for number, array in journal.predictions.items() if number},
            stopping=EarlyStopping(tuning.early_stopping.enabled, tuning.early_stopping.error_rate),
            goal=goal,
        )

    def _search(self, study: Study, journal: Journal) -> StudyResult:
        tuning, metric = self.config.tuning, study.criterion.metric
        expected = min(self.strategy.expected_trials(len(study.space.recipe.modules)), tuning.exit_policy.max_trials)
        with ExitStack() as stack:
            rows, seconds = study.baseline_evaluation.rows, study.baseline.seconds
            progress = TrialProgress(expected, metric, rows, seconds, self._without_progress())
            tell: list[Callable[[Trial], None]] = [stack.enter_context(progress)]
            if tuning.tensorboard:
                tell.append(stack.enter_context(TensorBoardTrials(self._workspace() / "runs")))

            def finished(trial: Trial) -> None:
                journal.record_trial(trial, study.classes.get(trial.number))
                for listener in tell:
                    listener(trial)
                self.log_trial(trial)

            study.on_trial, study.on_rows = finished, progress.see
            return study.run()

    def _searched(
        self, study: Study, result: StudyResult, journal: Journal, calls: Mapping[str, int], seconds: float
    ) -> Searched:
        """What the report is made from."""

        def ranking() -> Mapping[str, float] | None:
            if self.config.tuning.report.ranking:
                study.space.ranking()
            return journal.ranking

        return Searched(
            name=model_name(self.model),
            recipe=study.space.recipe,
            criterion=study.criterion,
            baseline=study.baseline,
            evaluation=study.baseline_evaluation,
            result=result,
            classes=study.classes,
            ranking=ranking,
            batches=self._timed_batches,
            rows=self._evaluation_rows(),
            calls=calls,
            seconds=seconds,
        )

    def _criterion(self, evaluation: Evaluation) -> tuple[Evaluation, Criterion]:
        """The float model's evaluation, with what is judged in it, and what must be met."""
        rule = self.config.tuning.accuracy_criterion
        if rule.multi_metrics.metrics:
            together = Together.of(rule, evaluation.metrics)
            self.evaluate = together.judging(self.evaluate)
            evaluation, criterion = together.added(evaluation), together.criterion
        else:
            criterion = Criterion(choose_metric(evaluation.metrics, *self._wanted()), rule.relative, rule.absolute)
        if self.config.tuning.exit_policy.performance_only:
            criterion = Criterion(criterion.metric, None, math.inf)
        return evaluation, criterion

    def _report(self) -> ReportConfig:
        return self.config.tuning.report

    def _embeddings(self) -> bool:
        return self.config.quantization.embeddings

    @abstractmethod
    def _wanted(self) -> tuple[str | None, bool | None]:
        """The metric that was asked for and its direction, None where it is to be found out."""

    @abstractmethod
    def _evaluation_data(self) -> Any:
        """What the journal's fingerprint is taken of."""

    @abstractmethod
    def _calibration_data(self) -> Any:
        """Likewise, for the rows that rank modules."""

    @abstractmethod
    def _calibration(self) -> Calibration:
        """The rows that rank modules."""

    def _example(self) -> Mapping[str, Tensor]:
        """One row of model inputs."""
        return {key: value[:1] for key, value in self._calibration().batches[0].items()}

    @abstractmethod
    def _timed_batches(self) -> Sequence[Mapping[str, Tensor]]:
        """A few batches that the forward pass is timed on."""

    def _evaluation_rows(self) -> EvaluationRows | None:
        """Where the rows that were evaluated can be looked up, None if they cannot."""
        return None

    def _explained_data(self, seed: int) -> ExplainedData:
        """The rows whose predictions are explained, drawn with `seed`."""
        raise ConfigError(
            "`tuning.shapley` and the objective `shapley_mse` need a tokenizer and evaluation rows, which a "
            "QuantizationTrainer has: use its `quantize()`, or choose another objective."
        )

    @abstractmethod
    def _output_dir(self) -> str:
        """Where the journal is kept when the configuration does not say."""

    def _without_progress(self) -> bool:
        return is_quiet()


@contextmanager
def _restored_on_error(swapper: ModuleSwapper) -> Iterator[None]:
    was_training = swapper.model.training
    try:
        yield
    except BaseException:
        swapper.restore()
        swapper.model.train(was_training)
        raise
    swapper.model.eval()  # it does not train any more; in training mode dropout would still be at work


@contextmanager
def _dropped_if_empty(journal: Journal) -> Iterator[None]:
    """A search that failed before it found anything out leaves nothing that the next one would have to fit."""
    try:
        yield
    except BaseException:
        if journal.baseline is None:
            journal.path.unlink()
        raise


def _baseline(recipe: Recipe, evaluation: Evaluation, metric: Metric) -> Trial:
    value = evaluation.metrics[metric.name]
    if not math.isfinite(value):
        raise QuantizationError(f"The float model's {metric.name} is {value}: there is nothing to compare with.")
    return Trial(0, recipe.in_float(), value, True, evaluation.seconds, evaluation.metrics)


def _record_baseline(journal: Journal, baseline: Trial) -> None:
    """Keep the baseline, or check that the one kept is the same.

    The fingerprint cannot see `compute_metrics` or a collator; the float model's own number can.
    """
    known = journal.baseline
    if known is None:
        journal.record_baseline(baseline)
    elif known.value != baseline.value:
        raise QuantizationError(
            f"{journal.path}: the float model's metric was {known.value} when the search began, now it is "
            f"{baseline.value}: the metric, the collator or the batches have changed. Delete the file to start again."
        )


def _settle(model: PreTrainedModel, swapper: ModuleSwapper, result: StudyResult) -> None:
    """Leave the model in the chosen recipe, ready to be saved."""
    for warning in result.warnings:
        logger.warning(warning)
    if result.outcome == "baseline":
        swapper.restore()
        logger.warning("The model stays in float: %s.", result.reason)
        return
    swapper.apply(result.chosen.recipe)
    attach(model, result.chosen.recipe)
    level = logging.INFO if result.outcome == "met" else logging.WARNING
    logger.log(level, "Outcome: %s (%s)", result.outcome, result.reason)
