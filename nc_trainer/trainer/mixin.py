"""QuantizationTrainer: a Trainer that also turns its model int8."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import nn
from transformers import PreTrainedModel, Trainer

from nc_trainer.benchmark import BenchmarkOptions, BenchmarkReport
from nc_trainer.config import TuningConfig
from nc_trainer.errors import NCTrainerError, TrainingRefusedError
from nc_trainer.hub import recipe_of
from nc_trainer.hub.compressed_tensors import save_compressed_tensors
from nc_trainer.hub.saving import check_place, saved_whole
from nc_trainer.hub.unsaved import is_saved
from nc_trainer.int8.quantize import is_int8
from nc_trainer.report.card import CardFacts
from nc_trainer.report.report_files import Report
from nc_trainer.report.reported_search import run_reported
from nc_trainer.report.result import QuantizationResult
from nc_trainer.report.trial_numbers import TrialLogs
from nc_trainer.search import choose_metric
from nc_trainer.trainer.aware_training import trained_if_asked
from nc_trainer.trainer.contained_model import contained_model
from nc_trainer.trainer.repeatable import shows_no_progress, without_progress_bars
from nc_trainer.trainer.row_order import in_length_batches
from nc_trainer.trainer.trainer_benchmark import Quantized, TrainerBenchmark
from nc_trainer.trainer.trainer_search import trainer_search
from nc_trainer.trainer.trial_evaluation import TrainerEvaluator, evaluation_set_names

# A mixin has no base of its own, but type checkers may know that it stands before a Trainer.
if TYPE_CHECKING:

    class _Base(Trainer):
        pass

else:
    _Base = object


class QuantizationMixin(_Base):
    """Adds `quantize()` and `benchmark()` to any Trainer class: `class Mine(QuantizationMixin, MyTrainer)`.

    Training and evaluation are Trainer's own. An int8 model, made here or loaded, evaluates and predicts like any
    other; training it is refused.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "tokenizer" in kwargs:
            if kwargs.get("processing_class") is not None:
                raise NCTrainerError("Pass `processing_class` or its old name `tokenizer`, not both.")
            kwargs["processing_class"] = kwargs.pop("tokenizer")
        self._quiet = False
        self._report: Report | None = None
        self._quantized: Quantized | None = None
        self._judged: str | None = None
        super().__init__(*args, **kwargs)

    def quantize(
        self,
        config: TuningConfig | str | os.PathLike[str] | None = None,
        *,
        metric_name: str | None = None,
        eval_dataset: Any = None,
        calibration_dataset: Any = None,
    ) -> QuantizationResult:
        """Search for the int8 recipe that meets the accuracy criterion, and leave the trainer's model in it.

        Under `quantization.approach: quant_aware_training` the model is trained for int8 first, by `self.train()`.

        Every trial is one `self.evaluate()` of the model in place; nothing is copied. If anything raises, the
        trainer holds its float model again, untouched. Each finished trial is logged once, as `trial/number`,
        `trial/accepted`, `trial/<metric>` and more, so callbacks such as W&B's and TensorBoard's show the search.

        Args:
            config: a configuration, or a YAML file; None takes `args.tuning_config`, else the defaults.
            metric_name: what `compute_metrics` returns under this name is judged. None: `tuning.metric` of the
                configuration, then `args.metric_for_best_model`, then a fixed order, see `choose_metric`.
            eval_dataset: what trials are judged on; None is the trainer's.
            calibration_dataset: rows that rank the modules if the first trial fails; labels are not looked at.
                None is the train data set, else the evaluation data set.

        Returns:
            The result; `outcome` is `met`, `best_effort` or `baseline`.

        Raises:
            ConfigError: the configuration is not valid.
            QuantizationError: the model, the data or the trainer's settings rule it out.
            SavingError: nothing can be saved in `args.output_dir`.
        """
        with self._quietly():
            logs = TrialLogs(self._log_trial)
            search = trainer_search(self, config, metric_name, eval_dataset, calibration_dataset, [logs])
            if self.args.should_save:
                check_place(self.model, str(self.args.output_dir))
        with trained_if_asked(self, search, self._quietly) as search, self._quietly():
            found = run_reported(search, quiet=shows_no_progress(self.args))
        result = replace(found, model=cast(PreTrainedModel, self.model))
        self._judged = result.metric.name
        self._report = Report(result.report, search.config.tuning.report.plots) if result.report else None
        self._quantized = Quantized(search.swapper, result.recipe) if is_int8(self.model) else None
        return result

    def benchmark(
        self,
        eval_dataset: Any = None,
        *,
        baseline: PreTrainedModel | str | os.PathLike[str] | None = None,
        options: BenchmarkOptions | None = None,
    ) -> BenchmarkReport:
        """Evaluate the model once, then time its forward pass on the evaluation batches, beside a float model's.

        Batches are collated before the clock starts. After `quantize()` the float model that the int8 one came from is
        timed in the same rounds, by switching recipes; nothing is copied. What is saved next has the latencies on its
        page.

        Args:
            eval_dataset: rows to score and to time; None is the trainer's.
            baseline: a model, or a directory, to compare with instead. None is `args.benchmark_baseline`. A float one
                is timed in each of `args.benchmark_baseline_dtype`.
            options: how to measure; None takes what `args` says under `benchmark_`, and where that is the default
                `evaluation.performance` of `args.tuning_config`.

        Raises:
            NCTrainerError: something cannot be timed as asked.
        """
        report = TrainerBenchmark(self, eval_dataset, baseline, options, self._quantized).run()
        if self._report is not None:
            self._report = self._report.with_benchmark(report)
        return report

    def score(self, eval_dataset: Any = None) -> tuple[str, float]:
        """Name and value of a metric, without a word in the logs.

        It is the one that `quantize` judged; before that, or where it was not computed, the one that `quantize` would
        judge by default, of the first one of several evaluation sets.
        """
        with self._quietly():
            evaluation = TrainerEvaluator(self, eval_dataset)()
        name, found = self._judged, evaluation.metrics
        if name is None or name not in found:
            first = evaluation_set_names(self, eval_dataset)[:1]
            of_first = {key: value for key, value in found.items() if not first or key.startswith(f"{first[0]}_")}
            wanted = self.args.metric_for_best_model or (evaluation.primary.name if evaluation.primary else None)
            name = choose_metric(found if wanted else of_first, wanted, unusable=evaluation.unusable).name
        return name, found[name]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Trainer's; with `args.batch_by_length` the rows of a batch have about the same length."""
        return super().get_eval_dataloader(self.evaluated_rows(eval_dataset))

    def evaluated_rows(self, eval_dataset: Any = None) -> Any:
        """The rows in the order in which they are evaluated, another one only with `args.batch_by_length`."""
        if getattr(self.args, "batch_by_length", False):
            return in_length_batches(self, eval_dataset, self.args.seed)
        return eval_dataset

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trainer's, unless the model is int8.

        Raises:
            TrainingRefusedError: the model is int8.
        """
        if is_int8(self.model):
            raise TrainingRefusedError(
                "The trainer's model is int8: its weights are frozen codes and cannot be trained. "
                "Train the float model first, then call `quantize()`."
            )
        return super().train(*args, **kwargs)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Trainer's; an int8 model is written to a temporary directory first and moved when it is complete.

        The page about the search comes with it. Trainer calls this method itself before it uploads the directory;
        then, and with `push_to_hub`, the page shows no texts of the evaluation data unless it is told to.

        Raises:
            SavingError: the directory holds the float model that the int8 one came from, or cannot be written. The
                journal of the search is kept: the same `quantize()` in a new process finds its result there.
        """
        model = self._transformers_model()
        if recipe_of(model) is None or not self.args.should_save:
            super().save_model(output_dir, _internal_call)
            is_saved(model)
            return
        final = Path(output_dir or str(self.args.output_dir))
        with saved_whole(model, final) as stage:
            super().save_model(str(stage), _internal_call=True)
            if getattr(self.args, "save_format", "") == "compressed-tensors":
                save_compressed_tensors(model, stage)
            if self._report is not None:
                is_public = _internal_call or self.args.push_to_hub
                (self._report.for_hub() if is_public else self._report).try_to_write(stage, final)
        if self.args.push_to_hub and not _internal_call:
            self.push_to_hub(commit_message="Model save", revision=self.args.hub_revision)

    def create_model_card(
        self,
        language: str | None = None,
        license: str | None = None,
        tags: str | list[str] | None = None,
        model_name: str | None = None,
        finetuned_from: str | None = None,
        tasks: str | list[str] | None = None,
        dataset_tags: str | list[str] | None = None,
        dataset: str | list[str] | None = None,
        dataset_args: str | list[str] | None = None,
    ) -> None:
        """Trainer's for a float model; after `quantize()` a card of the int8 model, with what the search measured.

        Of a card that is there already only our own block is written again, unless Trainer generated it.
        """
        facts = CardFacts(
            language, license, tags, model_name, finetuned_from, tasks, dataset_tags, dataset, dataset_args
        )
        if self._report is None or recipe_of(self._transformers_model()) is None:
            super().create_model_card(**vars(facts))
        elif self.is_world_process_zero():
            self._report = replace(self._report, facts=facts)
            directory = Path(str(self.args.output_dir))
            self._report.write_card(directory, directory)

    def _transformers_model(self) -> PreTrainedModel:
        """The trainer's model, or what it contains."""
        return cast(PreTrainedModel, contained_model(cast(nn.Module, self.model)))

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Trainer's, except that the evaluations of a search do not reach the logs; its trials do, once each."""
        if not self._quiet:
            super().log(*args, **kwargs)

    def _log_trial(self, numbers: dict[str, float]) -> None:
        """Once for each trial, under `trial/`, for whatever callback listens to logs; evaluations stay quiet."""
        self._quiet = False
        try:
            self.log(numbers)
        finally:
            self._quiet = True

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet = True
        try:
            with without_progress_bars(self):
                yield
        finally:
            self._quiet = False


class QuantizationTrainer(QuantizationMixin, Trainer):
    """`transformers.Trainer` with `quantize()` and `benchmark()`."""
