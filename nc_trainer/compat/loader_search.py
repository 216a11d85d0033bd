"""A search whose data and evaluations are given in Python, without a Trainer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from nc_trainer.benchmark.loader_batches import loader_batches
from nc_trainer.compat.batch_evaluation import FunctionEvaluator, LoaderEvaluator
from nc_trainer.compat.named_metrics import Compute, metric_names, named_metrics
from nc_trainer.config import MultiMetrics, TuningConfig
from nc_trainer.errors import ConfigError, QuantizationError
from nc_trainer.int8.checked_model import checked_model
from nc_trainer.search.calibration.calibration import LABELLED_ROWS, Calibration
from nc_trainer.search.objectives.goal import TIMED_BATCHES
from nc_trainer.search.tuner import Tuner

WORKSPACE = "nc_workspace"
"""Where the journal is kept when the configuration does not say, as in Neural Compressor."""


class LoaderTuner(Tuner):
    """Judges recipes with a function, or with a dataloader and metrics.

    Args:
        model: a float transformers model on the CPU; it is changed in place.
        config: `evaluation.accuracy` names the metrics, unless `compute` is given.
        eval_func: from the model to what is judged, see `FunctionEvaluator`.
        eval_dataloader: what is judged on when there is no `eval_func`.
        calib_dataloader: rows that rank modules when the first recipe is refused; None takes `eval_dataloader`, or
            the first batches that `eval_func` gives to the model.
        compute: metrics of logits and labels.

    Raises:
        ConfigError: there is nothing to judge by.
        QuantizationError: the model cannot be quantized.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TuningConfig,
        *,
        eval_func: Callable[[nn.Module], Any] | None = None,
        eval_dataloader: Iterable[Any] | None = None,
        calib_dataloader: Iterable[Any] | None = None,
        compute: Compute | None = None,
    ) -> None:
        config = _with_metrics_judged_together(config)
        checked = checked_model(model)
        self.calib_dataloader = eval_dataloader if calib_dataloader is None else calib_dataloader
        self.eval_dataloader = eval_dataloader
        names = config.tuning.accuracy_criterion.multi_metrics.metrics or ()
        self._evaluator = _evaluator(checked, config, eval_func, eval_dataloader, compute, names)
        super().__init__(checked, config, self._evaluator)

    def seen_batches(self) -> list[dict[str, Any]]:
        """What `eval_func` gave to the model."""
        return self._evaluator.batches if isinstance(self._evaluator, FunctionEvaluator) else []

    def _wanted(self) -> tuple[str | None, bool | None]:
        return self.config.tuning.metric, self.config.tuning.accuracy_criterion.higher_is_better

    def _evaluation_data(self) -> Any:
        return getattr(self.eval_dataloader, "dataset", None)

    def _calibration_data(self) -> Any:
        return getattr(self.calib_dataloader, "dataset", None)

    def _calibration(self) -> Calibration:
        return LoaderCalibration(self)

    def _example(self) -> Mapping[str, Tensor]:
        return super()._example() if self.calib_dataloader is not None else example_inputs(self.model)

    def _timed_batches(self) -> Sequence[Mapping[str, Tensor]]:
        return LoaderCalibration(self).batches[:TIMED_BATCHES]

    def _output_dir(self) -> str:
        return WORKSPACE


class LoaderCalibration(Calibration):
    """The first batches of the calibration dataloader."""

    def __init__(self, tuner: LoaderTuner) -> None:
        self.tuner = tuner
        self.rows = tuner.config.quantization.calibration.sampling_size
        self.seed = tuner.config.tuning.random_seed

    @cached_property
    def labelled_batches(self) -> list[dict[str, Tensor]]:
        """Fewer rows, with their labels."""
        return self._first(min(self.rows, LABELLED_ROWS), with_labels=True)

    def unlabelled(self, rows: int) -> list[dict[str, Tensor]]:
        """So many rows without their labels, in whole batches."""
        return self._first(rows, with_labels=False)

    def _first(self, rows: int, with_labels: bool) -> list[dict[str, Tensor]]:
        loader = self.tuner.calib_dataloader
        if loader is None:
            loader = self.tuner.seen_batches()
            if not loader:
                raise QuantizationError(
                    "The search needs batches, to rank modules or to time: give `calib_dataloader`."
                )
        return loader_batches(self.tuner.model, loader, rows, with_labels)


def example_inputs(model: PreTrainedModel) -> dict[str, Tensor]:
    """One row that the model can be run on, where no data are given yet: transformers' own."""
    return {name: value[:1] for name, value in model.dummy_inputs.items()}


def _evaluator(
    model: PreTrainedModel,
    config: TuningConfig,
    eval_func: Callable[[nn.Module], Any] | None,
    eval_dataloader: Iterable[Any] | None,
    compute: Compute | None,
    names: tuple[str, ...],
) -> FunctionEvaluator | LoaderEvaluator:
    if eval_func is not None:
        return FunctionEvaluator(model, eval_func, names)
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
