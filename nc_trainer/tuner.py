"""From a trainer and a configuration to an int8 model: the steps of `quantize()`, in order."""

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, Trainer, set_seed

from nc_trainer.calibration.batches import evaluation_batches
from nc_trainer.config import TuningConfig, load_tuning_config
from nc_trainer.errors import ConfigError, QuantizationError
from nc_trainer.evaluation import TrainerEvaluator
from nc_trainer.hub import attach
from nc_trainer.objectives import TIMED_BATCHES, make_goal
from nc_trainer.quantize import ModuleSwapper, full_recipe, is_int8
from nc_trainer.recipe import Recipe
from nc_trainer.report.numbers import TensorBoardTrials, check_tensorboard
from nc_trainer.report.progress import TrialProgress
from nc_trainer.result import QuantizationResult
from nc_trainer.row_order import in_random_order
from nc_trainer.search_space import Calibration
from nc_trainer.tuning import (
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
from nc_trainer.tuning.constraints import constrain
from nc_trainer.tuning.fingerprint import search_fingerprint
from nc_trainer.tuning.journal import Journal
from nc_trainer.tuning.objective import Goal
from nc_trainer.tuning.strategies.constrained import Constrained
from nc_trainer.tuning.together import Together

JOURNAL = "_tuning.jsonl"
"""In the output directory. The underscore keeps it out of what `push_to_hub` uploads."""

logger = logging.getLogger(__name__)


class Tuner:
    """One call of `QuantizationMixin.quantize`, whose arguments these are; `log_trial` is told of finished trials."""

    def __init__(
        self,
        trainer: Trainer,
        config: TuningConfig | str | os.PathLike[str] | None,
        metric_name: str | None,
        eval_dataset: Any,
        calibration_dataset: Any,
        log_trial: Callable[[Trial], None] = lambda trial: None,
    ) -> None:
        self.trainer = trainer
        self.config = _resolve(config, trainer)
        self.strategy: Strategy = make_strategy(self.config.tuning.strategy.name)
        self.model = _checked_model(trainer)
        _check_arguments(trainer, eval_dataset)
        self.metric_name = metric_name
        self.eval_dataset = eval_dataset
        self.calibration_dataset = calibration_dataset
        self.log_trial = log_trial
        self.swapper = ModuleSwapper(self.model)
        self.evaluate: Callable[..., Evaluation] = TrainerEvaluator(trainer, self._judged_rows())
        if self.config.tuning.tensorboard:
            check_tensorboard()

    def run(self) -> QuantizationResult:
        """Baseline, search, and the model left in the chosen recipe.

        What is found out on the way stands in a journal, so that the same call goes on after a crash; it is
        deleted when the search has ended.
        """
        embeddings = self.config.quantization.embeddings or getattr(self.trainer.args, "int8_embeddings", False)
        recipe = self._constrained(full_recipe(self.model, embeddings=embeddings))
        with self._open_journal(recipe) as journal, _restored_on_error(self.swapper):
            set_seed(self.config.tuning.random_seed)
            evaluation, criterion = self._criterion(self.evaluate())
            metric = criterion.metric
            baseline = _baseline(recipe, evaluation, metric)
            goal = self._goal(metric, baseline)
            baseline = replace(baseline, objectives=goal.measure(baseline)) if goal else baseline
            _record_baseline(journal, baseline)
            result = self._search(recipe, criterion, baseline, evaluation, journal, goal)
            _settle(self.model, self.swapper, result)
        journal.path.unlink()
        return QuantizationResult(self.model, metric, baseline, result)

    def _constrained(self, recipe: Recipe) -> Recipe:
        """What the configuration fixes is fixed in the recipe, and the strategy is shown the rest."""
        kinds = {name: type(module).__name__ for name, module in self.model.named_modules()}
        constraints = constrain(self.config.quantization, recipe, kinds)
        if constraints.free != tuple(recipe.modules):
            self.strategy = Constrained(self.strategy, constraints.free)
        return constraints.recipe

    def _judged_rows(self) -> Any:
        tuning = self.config.tuning
        if not (tuning.early_stopping.enabled and tuning.early_stopping.error_rate):
            return self.eval_dataset
        return in_random_order(self.trainer, self.eval_dataset, tuning.random_seed)

    def _open_journal(self, recipe: Recipe) -> Journal:
        metric, direction = self._wanted()
        data = self.trainer.eval_dataset if self.eval_dataset is None else self.eval_dataset
        fingerprint = search_fingerprint(
            self.model,
            recipe,
            self.config,
            metric=metric,
            higher_is_better=direction,
            evaluation_data=self.trainer.eval_dataset[data] if isinstance(data, str) else data,
            calibration_data=self._calibration_data(),
        )
        return Journal.open(self._journal_path(), fingerprint)

    def _workspace(self) -> Path:
        return Path(self.config.tuning.workspace.path or str(self.trainer.args.output_dir))

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

    def _wanted(self) -> tuple[str | None, bool | None]:
        """The metric that was asked for and its direction, None where it is to be found out."""
        tuning, args = self.config.tuning, self.trainer.args
        direction = tuning.accuracy_criterion.higher_is_better
        wanted = self.metric_name or tuning.metric
        if wanted is None and args.metric_for_best_model:
            wanted = args.metric_for_best_model
            direction = args.greater_is_better if direction is None else direction
        return wanted, direction

    def _goal(self, metric: Metric, baseline: Trial) -> Goal | None:
        def batches() -> Sequence[Mapping[str, Tensor]]:
            return evaluation_batches(self.trainer, self.eval_dataset, TIMED_BATCHES)

        return make_goal(self.config.tuning, metric, self.swapper, baseline.recipe, batches)

    def _search(
        self,
        recipe: Recipe,
        criterion: Criterion,
        baseline: Trial,
        evaluation: Evaluation,
        journal: Journal,
        goal: Goal | None,
    ) -> StudyResult:
        tuning = self.config.tuning
        policy = tuning.exit_policy
        rows, seed = self.config.quantization.calibration.sampling_size, tuning.random_seed
        calibration = Calibration(self.trainer, self._calibration_data(), rows, seed)
        expected = min(self.strategy.expected_trials(len(recipe.modules)), policy.max_trials)
        study = Study(
            space=calibration.search_space(self.swapper, recipe, criterion, baseline, journal),
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
        with ExitStack() as stack:
            tell: list[Callable[[Trial], None]] = [
                stack.enter_context(TrialProgress(expected, criterion.metric, bool(self.trainer.args.disable_tqdm)))
            ]
            if tuning.tensorboard:
                tell.append(stack.enter_context(TensorBoardTrials(self._workspace() / "runs")))

            def finished(trial: Trial) -> None:
                journal.record_trial(trial, study.classes.get(trial.number))
                for listener in tell:
                    listener(trial)
                self.log_trial(trial)

            study.on_trial = finished
            return study.run()

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

    def _calibration_data(self) -> Any:
        own = (self.trainer.train_dataset, self.eval_dataset, self.trainer.eval_dataset)
        for dataset in (self.calibration_dataset, *own):
            if dataset is not None:
                return next(iter(dataset.values())) if isinstance(dataset, dict) else dataset
        raise QuantizationError("quantize() needs some rows to rank modules: pass `calibration_dataset`.")


def _resolve(config: TuningConfig | str | os.PathLike[str] | None, trainer: Trainer) -> TuningConfig:
    if isinstance(config, TuningConfig):
        return config
    path = config or getattr(trainer.args, "tuning_config", None)
    return load_tuning_config(path) if path else TuningConfig()


def _checked_model(trainer: Trainer) -> PreTrainedModel:
    model = trainer.model
    if not isinstance(model, PreTrainedModel):
        raise QuantizationError(
            f"quantize() needs a transformers model, not a {type(model).__name__}: pass the model, not a wrapper."
        )
    if is_int8(model):
        raise QuantizationError("The trainer's model is int8 already: quantize() starts from a float model.")
    if model.device.type != "cpu" or trainer.args.device.type != "cpu":
        raise QuantizationError(f"int8 runs on the CPU, the trainer is on {trainer.args.device}: pass `use_cpu=True`.")
    return model


def _check_arguments(trainer: Trainer, eval_dataset: Any) -> None:
    """Raise a QuantizationError for what would make the search wrong rather than slow."""
    args = trainer.args
    if args.world_size > 1:
        raise QuantizationError("quantize() runs in one process: start the script without a distributed launcher.")
    for name in ("bf16", "fp16", "bf16_full_eval", "fp16_full_eval"):
        if getattr(args, name):
            raise QuantizationError(
                f"`{name}` would cast what int8 keeps in fp32, in the baseline and in trials: turn it off for tuning."
            )
    if eval_dataset is None and trainer.eval_dataset is None:
        raise QuantizationError("quantize() judges on an evaluation data set: give the trainer `eval_dataset`.")


@contextmanager
def _restored_on_error(swapper: ModuleSwapper) -> Iterator[None]:
    was_training = swapper.model.training
    try:
        yield
    except BaseException:
        swapper.restore()
        raise
    finally:
        swapper.model.train(was_training)


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
