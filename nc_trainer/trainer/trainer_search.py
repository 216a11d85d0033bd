"""A search whose data and evaluations are a trainer's."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from transformers import Trainer

from nc_trainer.config import ReportConfig, TuningConfig, load_tuning_config
from nc_trainer.errors import ConfigError, QuantizationError
from nc_trainer.int8.checked_model import checked_model
from nc_trainer.search.calibration.batches import evaluation_batches
from nc_trainer.search.calibration.calibration import Calibration
from nc_trainer.search.objectives.goal import TIMED_BATCHES
from nc_trainer.search.objectives.shapley_mse import ExplainedData
from nc_trainer.search.tuner import Tuner
from nc_trainer.trainer.evaluation_rows import TrainerRows
from nc_trainer.trainer.explained_rows import explained_data
from nc_trainer.trainer.row_order import in_random_order
from nc_trainer.trainer.trial_evaluation import TrainerEvaluator


class TrainerTuner(Tuner):
    """One call of `QuantizationMixin.quantize`, whose arguments these are."""

    def __init__(
        self,
        trainer: Trainer,
        config: TuningConfig | str | os.PathLike[str] | None,
        metric_name: str | None,
        eval_dataset: Any,
        calibration_dataset: Any,
    ) -> None:
        self.trainer = trainer
        self.metric_name = metric_name
        self.eval_dataset = eval_dataset
        self.calibration_dataset = calibration_dataset
        resolved = _resolve(config, trainer)
        _check_evaluation(resolved)
        model = checked_model(trainer.model)
        _check_arguments(trainer, eval_dataset)
        self._judged = self._judged_rows(resolved)
        super().__init__(model, resolved, TrainerEvaluator(trainer, self._judged))

    def _embeddings(self) -> bool:
        return super()._embeddings() or getattr(self.trainer.args, "int8_embeddings", False)

    def _report(self) -> ReportConfig:
        wanted = getattr(self.trainer.args, "report", True)
        return super()._report() if wanted else replace(super()._report(), enabled=False)

    def _judged_rows(self, config: TuningConfig) -> Any:
        tuning = config.tuning
        if not (tuning.early_stopping.enabled and tuning.early_stopping.error_rate):
            return self.eval_dataset
        return in_random_order(self.trainer, self.eval_dataset, tuning.random_seed)

    def _wanted(self) -> tuple[str | None, bool | None]:
        tuning, args = self.config.tuning, self.trainer.args
        direction = tuning.accuracy_criterion.higher_is_better
        wanted = self.metric_name or tuning.metric
        if wanted is None and args.metric_for_best_model:
            wanted = args.metric_for_best_model
            direction = args.greater_is_better if direction is None else direction
        return wanted, direction

    def _evaluation_data(self) -> Any:
        data = self.trainer.eval_dataset if self.eval_dataset is None else self.eval_dataset
        return self.trainer.eval_dataset[data] if isinstance(data, str) else data

    def _calibration_data(self) -> Any:
        own = (self.trainer.train_dataset, self.eval_dataset, self.trainer.eval_dataset)
        for dataset in (self.calibration_dataset, *own):
            if dataset is not None:
                return next(iter(dataset.values())) if isinstance(dataset, dict) else dataset
        raise QuantizationError("quantize() needs some rows to rank modules: pass `calibration_dataset`.")

    def _calibration(self) -> Calibration:
        rows, seed = self.config.quantization.calibration.sampling_size, self.config.tuning.random_seed
        return Calibration(self.trainer, self._calibration_data(), rows, seed)

    def _example(self) -> Mapping[str, Tensor]:
        return Calibration(self.trainer, self._calibration_data(), 1, self.config.tuning.random_seed).batches[0]

    def _timed_batches(self) -> Sequence[Mapping[str, Tensor]]:
        return evaluation_batches(self.trainer, self.eval_dataset, TIMED_BATCHES)

    def _evaluation_rows(self) -> TrainerRows:
        return TrainerRows(self.trainer, self._judged)

    def _explained_data(self, seed: int) -> ExplainedData:
        return explained_data(self.trainer, self._evaluation_data(), self.config.tuning.shapley, seed)

    def _output_dir(self) -> str:
        return str(self.trainer.args.output_dir)

    def _without_progress(self) -> bool:
        args = self.trainer.args
        silent = args.disable_tqdm or args.get_process_log_level() >= logging.ERROR
        return silent or super()._without_progress()


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
    if eval_dataset is None and trainer.eval_dataset is None:
        raise QuantizationError("quantize() judges on an evaluation data set: give the trainer `eval_dataset`.")
