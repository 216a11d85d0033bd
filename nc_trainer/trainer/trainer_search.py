"""A search whose data and evaluations are a trainer's."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from torch import nn
from transformers import Trainer

from nc_trainer.config import TuningConfig, load_tuning_config
from nc_trainer.errors import ConfigError, QuantizationError
from nc_trainer.int8.checked_model import checked_model
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.search.listener import Listener
from nc_trainer.search.objectives.goal import TIMED_BATCHES
from nc_trainer.search.search import Evaluate, Search, SearchRows
from nc_trainer.trainer.batches import calibration_batches, evaluation_batches, labelled_batches
from nc_trainer.trainer.called_inputs import CalledInputs
from nc_trainer.trainer.contained_model import contained_model, is_container
from nc_trainer.trainer.contained_search import called_rows, with_dtype_of_container
from nc_trainer.trainer.evaluation_rows import TrainerRows
from nc_trainer.trainer.evaluators import evaluator_of
from nc_trainer.trainer.explained_rows import explained_data
from nc_trainer.trainer.row_order import in_random_order
from nc_trainer.trainer.trial_evaluation import TrainerEvaluator


def trainer_search(
    trainer: Trainer,
    config: TuningConfig | str | os.PathLike[str] | None,
    metric_name: str | None,
    eval_dataset: Any,
    calibration_dataset: Any,
    listeners: Sequence[Listener] = (),
) -> Search:
    """What one call of `QuantizationMixin.quantize` asks for, whose arguments these are.

    `listeners` are told of what happens.

    Raises:
        ConfigError: the configuration is not valid.
        QuantizationError: the model, the data or the trainer's settings rule a search out.
    """
    config = _with_arguments(_resolve(config, trainer), trainer)
    _check_evaluation(config)
    model = checked_model(contained_model(cast(nn.Module, trainer.model)))
    config = with_dtype_of_container(config, cast(nn.Module, trainer.model), model)
    _check_arguments(trainer, eval_dataset)
    embeddings = config.quantization.embeddings or getattr(trainer.args, "int8_embeddings", False)
    metric, higher_is_better = _wanted_metric(trainer, config, metric_name)
    judged = _judged_rows(trainer, config, eval_dataset)
    evaluate, rows = _evaluation(trainer, model, config, eval_dataset, calibration_dataset, judged)
    return Search(
        model=model,
        swapper=ModuleSwapper(model),
        recipe=full_recipe(model, embeddings=embeddings),
        config=config,
        evaluate=evaluate,
        rows=rows,
        output_dir=str(trainer.args.output_dir),
        metric=metric,
        higher_is_better=higher_is_better,
        listeners=listeners,
    )


def _judged_rows(trainer: Trainer, config: TuningConfig, eval_dataset: Any) -> Any:
    """The evaluation data in the order in which trials see them; None is the trainer's own."""
    tuning = config.tuning
    if not (tuning.early_stopping.enabled and tuning.early_stopping.error_rate):
        return eval_dataset
    return in_random_order(trainer, eval_dataset, tuning.random_seed)


def _evaluation(
    trainer: Trainer,
    model: nn.Module,
    config: TuningConfig,
    eval_dataset: Any,
    calibration_dataset: Any,
    judged: Any,
) -> tuple[Evaluate, SearchRows]:
    """What judges `model`, and where the rows of the search come from: from that, if a container tokenizes them."""
    if not is_container(trainer.model):
        rows = _search_rows(trainer, config, eval_dataset, calibration_dataset, judged)
        return TrainerEvaluator(trainer, judged), rows
    called = CalledInputs(trainer, model, judged)
    return called, called_rows(called, _evaluation_data(trainer, eval_dataset))


def _search_rows(
    trainer: Trainer, config: TuningConfig, eval_dataset: Any, calibration_dataset: Any, judged: Any
) -> SearchRows:
    seed, evaluation_data = config.tuning.random_seed, _evaluation_data(trainer, eval_dataset)
    calibration_data = _calibration_data(trainer, eval_dataset, calibration_dataset)
    return SearchRows(
        example=lambda: calibration_batches(trainer, calibration_data, 1, seed)[0],
        calibration=lambda rows: calibration_batches(trainer, calibration_data, rows, seed),
        labelled=lambda rows: labelled_batches(trainer, calibration_data, rows, seed),
        timed=lambda: evaluation_batches(trainer, eval_dataset, TIMED_BATCHES),
        explained=lambda drawn_with: explained_data(trainer, evaluation_data, config.tuning.shapley, drawn_with),
        evaluated=TrainerRows(trainer, judged),
        evaluation_data=evaluation_data,
        calibration_data=calibration_data,
    )


def _wanted_metric(trainer: Trainer, config: TuningConfig, metric_name: str | None) -> tuple[str | None, bool | None]:
    """Name and direction, None where they are to be found out."""
    wanted, direction = metric_name or config.tuning.metric, config.tuning.accuracy_criterion.higher_is_better
    args = trainer.args
    if wanted is None and args.metric_for_best_model:
        return args.metric_for_best_model, args.greater_is_better if direction is None else direction
    return wanted, direction


def _evaluation_data(trainer: Trainer, eval_dataset: Any) -> Any:
    data = trainer.eval_dataset if eval_dataset is None else eval_dataset
    return trainer.eval_dataset[data] if isinstance(data, str) else data


def _calibration_data(trainer: Trainer, eval_dataset: Any, calibration_dataset: Any) -> Any:
    for dataset in (calibration_dataset, trainer.train_dataset, eval_dataset, trainer.eval_dataset):
        if dataset is not None:
            return next(iter(dataset.values())) if isinstance(dataset, dict) else dataset
    raise QuantizationError("quantize() needs some rows to rank modules: pass `calibration_dataset`.")


def _with_arguments(config: TuningConfig, trainer: Trainer) -> TuningConfig:
    """There is no report if the training arguments say so."""
    if getattr(trainer.args, "report", True):
        return config
    tuning = config.tuning
    return replace(config, tuning=replace(tuning, report=replace(tuning.report, enabled=False)))


def _resolve(config: TuningConfig | str | os.PathLike[str] | None, trainer: Trainer) -> TuningConfig:
    if isinstance(config, TuningConfig):
        return config
    path = config or getattr(trainer.args, "tuning_config", None)
    return load_tuning_config(path) if path else TuningConfig()


def _check_evaluation(config: TuningConfig) -> None:
    given = config.evaluation.accuracy
    if given.metric is not None or given.multi_metrics is not None:
        raise ConfigError(
            "`evaluation.accuracy`: a Trainer computes its own metrics. Remove the key, and name one that "
            "`compute_metrics` returns in `tuning.metric`, or several in `tuning.accuracy_criterion.multi_metrics`."
        )


def _check_arguments(trainer: Trainer, eval_dataset: Any) -> None:
    """Raise a QuantizationError for what would make the search wrong rather than slow."""
    args = trainer.args
    if args.device.type != "cpu":
        raise QuantizationError(f"int8 runs on the CPU, the trainer is on {args.device}: pass `use_cpu=True`.")
    if args.world_size > 1:
        raise QuantizationError("quantize() runs in one process: start the script without a distributed launcher.")
    for name in ("bf16", "fp16", "bf16_full_eval", "fp16_full_eval"):
        if getattr(args, name):
            raise QuantizationError(
                f"`{name}` would cast what int8 keeps in fp32, in the baseline and in trials: turn it off for tuning."
            )
    if getattr(args, "jit_mode_eval", False):
        raise QuantizationError(
            "`jit_mode_eval` would trace int8 layers, which look at the shape of each batch: turn it off for tuning."
        )
    if eval_dataset is None and trainer.eval_dataset is None and evaluator_of(trainer) is None:
        raise QuantizationError("quantize() judges on an evaluation data set: give the trainer `eval_dataset`.")
