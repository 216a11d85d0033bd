"""What an example script does with its trainer, once there is one: train, tune, benchmark, evaluate."""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers
from datasets import Dataset
from transformers import set_seed
from transformers.trainer_utils import get_last_checkpoint

from _shared.arguments import DataArguments, ModelArguments, parse_arguments
from nc_trainer.config import TuningConfig, load_tuning_config
from nc_trainer.config.training_args import QuantizationTrainingArguments
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub.adapters import merge_beside
from nc_trainer.search import choose_metric
from nc_trainer.trainer import QuantizationTrainer
from nc_trainer.trainer.batches import train_rows_needed


def run_script(run: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None) -> None:
    """Run a script; a mistake in its options, its data or its model ends it with one message."""
    try:
        run(argv)
    except NCTrainerError as error:
        raise SystemExit(f"error: {error}") from error


def prepared_arguments(
    argv: Sequence[str] | None,
    data_arguments: type[DataArguments],
    training_arguments: type[QuantizationTrainingArguments] = QuantizationTrainingArguments,
) -> Any:
    """Model, data and training arguments, see `parse_arguments`, with logging and the seed set as they say.

    With `--merge_adapters` the model is the merged one, saved in OUTPUT_DIR-float.
    """
    parsed = parse_arguments(argv, data_arguments, training_arguments)
    prepare(parsed[0], parsed[2])
    return parsed


def prepare(model_args: ModelArguments, args: QuantizationTrainingArguments) -> None:
    """Set logging and the seed as the arguments say, and merge adapters if they say so."""
    set_up_logging(args)
    set_seed(args.seed)
    if model_args.merge_adapters is not None:
        merged = merge_beside(model_args.model_name_or_path, str(args.output_dir), model_args.merge_adapters or None)
        model_args.model_name_or_path = str(merged)


def run_modes(
    trainer: QuantizationTrainer,
    evaluate: Callable[[], None] | None = None,
    config: TuningConfig | None = None,
) -> None:
    """Train, tune, then benchmark or evaluate, as the trainer's arguments say.

    Args:
        trainer: with the data sets that the arguments need.
        evaluate: what `--do_eval` does; None evaluates on the trainer's own data set.
        config: how `--tune` tunes; None is what `--tuning_config` names, else the defaults.
    """
    args = trainer.args
    if args.do_train and not args.tune:
        train(trainer)
    if args.tune:
        tune(trainer, config)
    if args.benchmark:
        benchmark(trainer)
    elif args.accuracy_only:
        print_accuracy(trainer)
    elif args.do_eval:
        (evaluate or (lambda: evaluate_once(trainer)))()


def set_up_logging(training_args: QuantizationTrainingArguments) -> None:
    """Log at the level the arguments ask for."""
    logging.basicConfig(
        format="%(asctime)s - %(levelname)s - %(name)s - %(message)s",
        datefmt="%m/%d/%Y %H:%M:%S",
        handlers=[logging.StreamHandler(sys.stderr)],
    )
    level = training_args.get_process_log_level()
    logging.getLogger("__main__").setLevel(level)
    transformers.utils.logging.set_verbosity(level)
    transformers.utils.logging.enable_default_handler()
    transformers.utils.logging.enable_explicit_format()


def tune(trainer: QuantizationTrainer, config: TuningConfig | None = None) -> None:
    """Quantize the fine-tuned model and save the int8 directory."""
    result = trainer.quantize(config)
    print(result.table())
    trainer.save_model()
    precision = "float" if result.outcome == "baseline" else "int8"
    print(f"The {precision} model was saved in {trainer.args.output_dir}")


def benchmark(trainer: QuantizationTrainer) -> None:
    """Print accuracy, batch size, throughput and latency, and keep them in benchmark.json."""
    report = trainer.benchmark()
    print(report)
    report.save(Path(str(trainer.args.output_dir)) / "benchmark.json")


def print_accuracy(trainer: QuantizationTrainer) -> None:
    """Evaluate once and print the number that tuning would judge."""
    metrics = {key.removeprefix("eval_"): value for key, value in trainer.evaluate().items()}
    metric = choose_metric(metrics, trainer.args.metric_for_best_model)
    print(f"Accuracy: {metrics[metric.name]:.5f} ({metric.name})")


def train(trainer: QuantizationTrainer) -> None:
    """Train from the last checkpoint in the output directory, unless that is overwritten, and save."""
    args = trainer.args
    checkpoint = args.resume_from_checkpoint
    output_dir = str(args.output_dir)
    if checkpoint is None and os.path.isdir(output_dir) and not args.overwrite_output_dir:
        checkpoint = get_last_checkpoint(output_dir)
    metrics = trainer.train(resume_from_checkpoint=checkpoint).metrics
    metrics["train_samples"] = len(trainer.train_dataset)
    trainer.save_model()
    trainer.log_metrics("train", metrics)
    trainer.save_metrics("train", metrics)
    trainer.save_state()


def evaluate_once(trainer: QuantizationTrainer, rows: int | None = None) -> None:
    """Evaluate on the trainer's own data set; `rows` is how many it stands for, where features are more than rows."""
    metrics = trainer.evaluate()
    metrics["eval_samples"] = len(trainer.eval_dataset) if rows is None else rows
    trainer.log_metrics("eval", metrics)
    trainer.save_metrics("eval", metrics)


def missing_package(package: str, purpose: str) -> NCTrainerError:
    """The error for an optional package that is not installed."""
    return NCTrainerError(f"{purpose} needs {package}: pip install {package}")


def write_card(trainer: QuantizationTrainer, model_args: ModelArguments, **card: Any) -> None:
    """Write the trained model's card; upload the directory with --push_to_hub."""
    if not os.path.isdir(model_args.model_name_or_path):
        card["finetuned_from"] = model_args.model_name_or_path
    if trainer.args.push_to_hub:
        trainer.push_to_hub(**card)
    else:
        trainer.create_model_card(**card)


def first_rows(rows: Dataset, purpose: str, data_args: DataArguments) -> Dataset:
    """As many of the rows as the options allow for `train`, `validation` or `test`."""
    limit = data_args.limits[purpose]
    return rows if limit is None else rows.select(range(min(limit, len(rows))))


def rows_needed(
    splits: Mapping[str, Dataset], args: QuantizationTrainingArguments, config: TuningConfig | None = None
) -> dict[str, Dataset]:
    """The splits, of `train` under `--tune` only the rows that the search reads: no others need be tokenized.

    Args:
        splits: cut to their `--max_..._samples`.
        args: what is to be done.
        config: how `--tune` tunes; None is what `--tuning_config` names, else the defaults.

    Raises:
        ConfigError: the configuration is not valid.
    """
    if not args.tune or "train" not in splits:
        return dict(splits)
    config = config or (load_tuning_config(args.tuning_config) if args.tuning_config else TuningConfig())
    return {**splits, "train": train_rows_needed(splits["train"], config)}


def check_purposes(wanted: Sequence[str], found: Sequence[str]) -> None:
    """Raise NCTrainerError if the options need rows that the data does not have."""
    for purpose in wanted:
        if purpose not in found:
            raise NCTrainerError(
                f"no {purpose} data: these options need it, and the data has only {', '.join(found)} "
                f"(with your own files, give --{purpose}_file)"
            )
