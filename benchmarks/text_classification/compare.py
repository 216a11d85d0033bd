"""Accuracy, changed predictions, file size and latency of one fine-tuned model as fp32 and as int8.

    python benchmarks/text_classification/compare.py --model DIR --glue_dir DIR --task sst2 --output NAME.json

Rows: the fp32 model, `torch.ao.quantization.quantize_dynamic` with its default engine, nc_trainer with its defaults,
and nc_trainer with int8 embeddings. All are timed in one process on the same batches of real text, in turn.
"""

import argparse
import copy
import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding
from transformers.utils.logging import disable_progress_bar

from nc_trainer import QuantizationTrainer, QuantizationTrainingArguments
from nc_trainer.benchmark import benchmark_models
from nc_trainer.hub import describe_engine
from nc_trainer.hub.files import write_text_atomically
from nc_trainer.search import choose_metric, compare_classes, predicted_classes
from nc_trainer.text_data.glue.glue_metrics import compute_metrics_for
from nc_trainer.text_data.label_alignment import align_labels
from nc_trainer.text_data.loading import load_glue_folder
from nc_trainer.text_data.preprocessing import tokenize
from nc_trainer.trainer.batches import evaluation_batches
from nc_trainer.trainer.trial_evaluation import TrainerEvaluator

BATCH_SIZES = (1, 16)


@dataclass
class Row:
    """One line of the table."""

    name: str
    model: nn.Module
    value: float
    predictions: Any
    megabytes: float | None


def main() -> None:
    options = parse()
    disable_progress_bar()
    fp32 = make_trainer(options)
    rows = [evaluated("fp32", fp32, megabytes(Path(options.model))), bf16(fp32), dynamic(fp32)]
    for name, embeddings in (("nc_trainer", False), ("nc_trainer, int8 embeddings", True)):
        rows.append(ours(name, options, embeddings))
    reports = {size: time_rows(rows, make_trainer(options, size), options.iterations) for size in BATCH_SIZES}
    record = {
        "command": f"compare.py --task {options.task}",
        "rows": [summary(row, rows[0]) for row in rows],
        "latency": {str(size): report.to_dict() for size, report in reports.items()},
    }
    print(markdown(rows, reports))
    if options.output:
        write_text_atomically(options.output, json.dumps(record, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="directory of the fine-tuned model")
    parser.add_argument("--glue_dir", required=True, help="directory of the official GLUE folders")
    parser.add_argument("--task", default="sst2")
    parser.add_argument("--iterations", type=int, default=60, help="timed rounds for each batch size")
    parser.add_argument("--output", help="JSON file for the raw numbers")
    return parser.parse_args()


def make_trainer(options: argparse.Namespace, batch_size: int = 16) -> QuantizationTrainer:
    model = AutoModelForSequenceClassification.from_pretrained(options.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    data = load_glue_folder(options.glue_dir, options.task, ["train", "validation"])
    label_ids = align_labels(model.config, data.label_names)
    rows = {
        name: tokenize(split, tokenizer, data.text_columns, 128, False, label_ids)
        for name, split in data.splits.items()
    }
    arguments = QuantizationTrainingArguments(
        output_dir=tempfile.mkdtemp(), use_cpu=True, report_to="none", per_device_eval_batch_size=batch_size
    )
    return QuantizationTrainer(
        model=model,
        args=arguments,
        train_dataset=rows["train"],
        eval_dataset=rows["validation"],
        compute_metrics=compute_metrics_for(options.task, data.is_regression),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )


def evaluated(name: str, trainer: QuantizationTrainer, size: float | None) -> Row:
    """A row from what the trainer's model predicts on the evaluation set."""
    evaluation = TrainerEvaluator(trainer)()
    value = evaluation.metrics[choose_metric(evaluation.metrics).name]
    return Row(name, trainer.model.eval(), value, np.asarray(evaluation.predictions), size)


def dynamic(trainer: QuantizationTrainer) -> Row:
    """torch's own dynamic quantization. It has no safetensors form, so no file size."""
    original = trainer.model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        trainer.model = torch.ao.quantization.quantize_dynamic(copy.deepcopy(original), {nn.Linear})
    trainer.model_wrapped = trainer.model
    row = evaluated("quantize_dynamic", trainer, None)
    trainer.model = trainer.model_wrapped = original
    return row


def bf16(trainer: QuantizationTrainer) -> Row:
    """The float model in bfloat16, as `model.bfloat16()` makes it."""
    original = trainer.model
    trainer.model = trainer.model_wrapped = copy.deepcopy(original).bfloat16()
    row = evaluated("bf16", trainer, None)
    trainer.model = trainer.model_wrapped = original
    return row


def ours(name: str, options: argparse.Namespace, embeddings: bool) -> Row:
    trainer = make_trainer(options)
    trainer.args.int8_embeddings = embeddings
    print(name, trainer.quantize().table(), sep="\n", flush=True)
    trainer.save_model()
    return evaluated(name, trainer, megabytes(Path(str(trainer.args.output_dir))))


def megabytes(directory: Path) -> float:
    return (directory / "model.safetensors").stat().st_size / 1e6


def time_rows(rows: Sequence[Row], trainer: QuantizationTrainer, iterations: int) -> Any:
    batches = evaluation_batches(trainer, None, iterations)
    models = {row.name: row.model for row in rows}
    return benchmark_models(models, batches, warmup=5, iterations=iterations, engine=describe_engine(*models.values()))


def summary(row: Row, first: Row) -> dict[str, Any]:
    flips = compare_classes(predicted_classes(first.predictions), predicted_classes(row.predictions))
    error = float(np.square(row.predictions - first.predictions).mean())
    return {
        "name": row.name,
        "metric": row.value,
        "flips": flips.changed if flips else None,
        "rows": len(row.predictions),
        "logits_squared_error": error,
        "megabytes": row.megabytes,
    }


def markdown(rows: Sequence[Row], reports: Mapping[int, Any]) -> str:
    header = ["model", "metric", "changed predictions", "file, MB"] + [f"batch {size}, ms" for size in reports]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for index, row in enumerate(rows):
        cells = summary(row, rows[0])
        shown = [row.name, f"{row.value:.4f}", f"{cells['flips']} of {cells['rows']}"]
        shown.append("" if row.megabytes is None else f"{row.megabytes:.1f}")
        shown += [latency(report, index) for report in reports.values()]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)


def latency(report: Any, index: int) -> str:
    milliseconds = f"{report.models[index].latency_ms_median:.1f}"
    if index == 0:
        return milliseconds
    comparison = report.comparisons[index - 1]
    return f"{milliseconds} ({comparison.ratio:.2f}x, {comparison.low:.2f}-{comparison.high:.2f})"


if __name__ == "__main__":
    main()
