#!/usr/bin/env python
"""Fine-tune, evaluate, quantize (--tune) and benchmark a text classifier on GLUE or on your own data.

transformers' run_glue.py with a QuantizationTrainer in it. See README.md beside this file.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase, default_data_collator

from nc_trainer import QuantizationTrainer, QuantizationTrainingArguments, TuningConfig
from nc_trainer.text_data.glue.glue_metrics import compute_metrics_for
from nc_trainer.text_data.loading import TextData

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for _shared

from _shared.arguments import ModelArguments
from _shared.modes import prepare, run_modes, run_script, write_card
from glue_arguments import DataTrainingArguments, parse_arguments
from glue_setup import Datasets, load_data, load_model, names_by_id, splits_for, tokenize_splits

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the script; a mistake in its options, its data or its model ends it with one message."""
    run_script(run, argv)


def run(argv: Sequence[str] | None = None) -> None:
    """The script with the options of its command line."""
    run_with(*parse_arguments(argv))


def run_with(
    model_args: ModelArguments,
    data_args: DataTrainingArguments,
    training_args: QuantizationTrainingArguments,
    config: TuningConfig | None = None,
) -> None:
    """The steps of the script, in order; `config` stands in for `--tuning_config`."""
    prepare(model_args, training_args)
    data = load_data(data_args, model_args, training_args)
    model, tokenizer, label_ids = load_model(model_args, data, training_args)
    datasets = tokenize_splits(data, data_args, training_args, tokenizer, label_ids, config)
    evaluation = splits_for("validation", datasets)
    trainer = QuantizationTrainer(
        model=model,
        args=training_args,
        train_dataset=datasets.get("train"),
        eval_dataset=next(iter(evaluation.values()), None),
        compute_metrics=metrics_of(data, label_ids),
        preprocess_logits_for_metrics=logits_only,
        processing_class=tokenizer,
        data_collator=collator_for(data_args, training_args, tokenizer),
    )
    run_modes(trainer, lambda: evaluate(trainer, evaluation), config)
    if training_args.do_predict:
        predict(trainer, splits_for("test", datasets), names_by_id(model, data, label_ids))
    if training_args.do_train and not training_args.tune:
        write_card(trainer, model_args, **card(data_args))


def metrics_of(data: TextData, label_ids: list[int] | None) -> Any:
    """`compute_metrics` of the data's task; its second label is the one that F1 counts."""
    positive_id = label_ids[1] if label_ids and len(label_ids) > 1 else 1
    return compute_metrics_for(data.task.name if data.task else None, data.is_regression, positive_id)


def logits_only(outputs: Any, labels: torch.Tensor) -> torch.Tensor:
    """Bart and others return hidden states too; gathering those would fill the memory."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


def collator_for(
    data_args: DataTrainingArguments,
    training_args: QuantizationTrainingArguments,
    tokenizer: PreTrainedTokenizerBase,
) -> Any:
    """Batches of rows that are padded already, or that are padded to the longest of the batch."""
    if data_args.pad_to_max_length:
        return default_data_collator
    return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8 if training_args.fp16 else None)


def evaluate(trainer: QuantizationTrainer, evaluation: Datasets) -> None:
    """Evaluate on every validation split; MNLI's mismatched metrics end in `_mm`."""
    combined: dict[str, float] = {}
    for name, dataset in evaluation.items():
        metrics = trainer.evaluate(eval_dataset=dataset)
        metrics["eval_samples"] = len(dataset)
        suffix = "_mm" if name.endswith("_mismatched") else ""
        metrics = {f"{key}{suffix}": value for key, value in metrics.items()}
        trainer.log_metrics("eval", metrics)
        combined.update(metrics)
    trainer.save_metrics("eval", combined)


def predict(trainer: QuantizationTrainer, test: Datasets, names: dict[int, str]) -> None:
    """Write `predict_results_<split>.txt`: each row's index and label (without `names`: its number)."""
    for split, dataset in test.items():
        logits = trainer.predict(dataset.remove_columns("label"), metric_key_prefix="predict").predictions
        if names:
            predicted = [names[int(number)] for number in np.argmax(logits, axis=-1)]
        else:
            predicted = [f"{value:.3f}" for value in np.squeeze(logits, axis=-1)]
        lines = ["index\tprediction", *(f"{index}\t{item}" for index, item in enumerate(predicted))]
        if trainer.is_world_process_zero():
            path = Path(str(trainer.args.output_dir)) / f"predict_results_{split}.txt"
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            logger.info("Predictions of %s are in %s", split, path)


def card(data_args: DataTrainingArguments) -> dict[str, Any]:
    """What a trained model's card says of its data."""
    name = data_args.task_name
    if name is None:
        return {"tasks": "text-classification"}
    glue = {"language": "en", "dataset_tags": "glue", "dataset_args": name, "dataset": f"GLUE {name.upper()}"}
    return {"tasks": "text-classification"} | glue


if __name__ == "__main__":
    main()
