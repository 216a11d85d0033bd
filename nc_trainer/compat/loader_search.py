"""A search whose data and evaluations are given in Python, without a Trainer."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from nc_trainer.benchmark.loader_batches import loader_batches
from nc_trainer.compat.batch_evaluation import FunctionEvaluator, LoaderEvaluator
from nc_trainer.compat.named_metrics import Compute, metric_names, named_metrics
from nc_trainer.config import MultiMetrics, TuningConfig
from nc_trainer.errors import ConfigError, QuantizationError
from nc_trainer.int8.checked_model import checked_model
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.search.objectives.goal import TIMED_BATCHES
from nc_trainer.search.objectives.objective import Objective
from nc_trainer.search.search import Search, SearchRows

WORKSPACE = "nc_workspace"
"""Where the journal is kept when the configuration does not say, as in Neural Compressor."""


def loader_search(
    model: nn.Module,
    config: TuningConfig,
    *,
    eval_func: Callable[[nn.Module], Any] | None = None,
    eval_dataloader: Iterable[Any] | None = None,
    calib_dataloader: Iterable[Any] | None = None,
    compute: Compute | None = None,
    objective: Objective | None = None,
) -> Search:
    """A search that judges recipes with a function, or with a dataloader and metrics.

    Args:
        model: a float transformers model on the CPU; it is changed in place.
        config: `evaluation.accuracy` names the metrics, unless `compute` is given.
        eval_func: from the model to what is judged, see `FunctionEvaluator`.
        eval_dataloader: what is judged on when there is no `eval_func`.
        calib_dataloader: rows that rank modules when the first recipe is refused; None takes `eval_dataloader`, or
            the first batches that `eval_func` gives to the model.
        compute: metrics of logits and labels.
        objective: orders accepted recipes, instead of what `config` names.

    Raises:
        ConfigError: there is nothing to judge by.
        QuantizationError: the model cannot be quantized.
    """
    config = _with_metrics_judged_together(config)
    checked = checked_model(model)
    evaluate = _evaluator(checked, config, eval_func, eval_dataloader, compute)
    calibration = eval_dataloader if calib_dataloader is None else calib_dataloader
    return Search(
        model=checked,
        swapper=ModuleSwapper(checked),
        recipe=full_recipe(checked, embeddings=config.quantization.embeddings),
        config=config,
        evaluate=evaluate,
        rows=_search_rows(checked, config, evaluate, eval_dataloader, calibration),
        output_dir=WORKSPACE,
        metric=config.tuning.metric,
        higher_is_better=config.tuning.accuracy_criterion.higher_is_better,
        objective=objective,
    )


def _search_rows(
    model: PreTrainedModel,
    config: TuningConfig,
    evaluate: FunctionEvaluator | LoaderEvaluator,
    evaluation: Iterable[Any] | None,
    calibration: Iterable[Any] | None,
) -> SearchRows:
    """The first batches of the calibration dataloader, or else those that were given to the model."""

    def first(rows: int, with_labels: bool = False) -> list[dict[str, Tensor]]:
        seen = evaluate.batches if isinstance(evaluate, FunctionEvaluator) else []
        if calibration is None and not seen:
            raise QuantizationError("The search needs batches, to rank modules or to time: give `calib_dataloader`.")
        return loader_batches(model, seen if calibration is None else calibration, rows, with_labels)

    def example() -> dict[str, Tensor]:
        if calibration is None:
            return example_inputs(model)
        return {name: value[:1] for name, value in first(1)[0].items()}

    return SearchRows(
        example=example,
        calibration=first,
        labelled=lambda rows: first(rows, with_labels=True),
        timed=lambda: first(config.quantization.calibration.sampling_size)[:TIMED_BATCHES],
        evaluation_data=getattr(evaluation, "dataset", None),
        calibration_data=getattr(calibration, "dataset", None),
    )


def example_inputs(model: PreTrainedModel) -> dict[str, Tensor]:
    """One row that the model can be run on, where no data are given yet: transformers' own."""
    return {name: value[:1] for name, value in model.dummy_inputs.items()}


def _evaluator(
    model: PreTrainedModel,
    config: TuningConfig,
    eval_func: Callable[[nn.Module], Any] | None,
    eval_dataloader: Iterable[Any] | None,
    compute: Compute | None,
) -> FunctionEvaluator | LoaderEvaluator:
    if eval_func is not None:
        return FunctionEvaluator(model, eval_func, config.tuning.accuracy_criterion.multi_metrics.metrics or ())
    compute = compute or named_metrics(config.evaluation.accuracy)
    if eval_dataloader is None or compute is None:
        raise ConfigError(
            "There is nothing to judge recipes by: give `eval_func`, or `eval_dataloader` with a metric "
            "(`evaluation.accuracy.metric` in the file, or `metric` in Python)."
        )
    return LoaderEvaluator(model, eval_dataloader, compute)


def _with_metrics_judged_together(config: TuningConfig) -> TuningConfig:
    """`evaluation.accuracy.multi_metrics` said as `tuning.accuracy_criterion.multi_metrics`."""
    several = config.evaluation.accuracy.multi_metrics
    rule = config.tuning.accuracy_criterion
    if several is None or rule.multi_metrics.metrics is not None:
        return config
    together = MultiMetrics(
        metrics=tuple(metric_names(config.evaluation.accuracy)),
        weight=several.get("weight"),
        higher_is_better=several.get("higher_is_better"),
    )
    return replace(config, tuning=replace(config.tuning, accuracy_criterion=replace(rule, multi_metrics=together)))
