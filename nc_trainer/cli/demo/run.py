"""The demo from the first message to the benchmark."""

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from nc_trainer.benchmark import BenchmarkReport, benchmark_models
from nc_trainer.cli.demo.generate import Message, generate, write_csv
from nc_trainer.cli.demo.reload import check_in_new_process
from nc_trainer.cli.demo.train import Size, build_model, build_tokenizer, encode, train
from nc_trainer.config.training_args import QuantizationTrainingArguments
from nc_trainer.hub import describe_engine
from nc_trainer.report.result import QuantizationResult
from nc_trainer.trainer import QuantizationTrainer
from nc_trainer.trainer.batches import evaluation_batches

SEED = 0
EVAL_BATCH_SIZE = 20
WEIGHTS = "model.safetensors"


def run(output_dir: str | Path, size: Size | None = None, train_rows: int = 6000, dev_rows: int = 1000) -> int:
    """Run the demo, printing each step.

    Args:
        output_dir: receives `data/`, `fp32/`, `int8/` and `benchmark.json`; existing files are replaced.
        size: of the model; None is the demo's own.
        train_rows, dev_rows: how many messages to train and evaluate on.

    Returns:
        0; 1 when the saved int8 model does not give the same logits in a new process.
    """
    started = time.monotonic()
    output = Path(output_dir)
    set_seed(SEED)
    train_messages, dev_messages = generate(train_rows, dev_rows, seed=SEED)
    _write_data(output / "data", train_messages, dev_messages)
    _train(output / "fp32", train_messages, size or Size())
    trainer, result = _quantize(output, dev_messages)
    same = _reload(trainer, output)
    report = _benchmark(trainer, result, output)
    _summary(output, result, report, time.monotonic() - started)
    return 0 if same else 1


def _write_data(folder: Path, train_messages: list[Message], dev_messages: list[Message]) -> None:
    _step(f"1. Generating {len(train_messages)} + {len(dev_messages)} customer messages with six intents")
    print("   (generated; accuracy on them says nothing about your data)")
    write_csv(folder / "train.csv", train_messages)
    write_csv(folder / "validation.csv", dev_messages)
    for message in dev_messages[:3]:
        print(f"   {message.intent:>9}: {message.text}")


def _train(folder: Path, messages: list[Message], size: Size) -> None:
    _step(f"2. Training a BERT from scratch: {size.layers} layers, {size.hidden} wide (about 2 minutes)")
    tokenizer = build_tokenizer([message.text for message in messages])
    model = build_model(size, tokenizer)
    train(model, tokenizer, encode(messages, tokenizer), folder, size.epochs)


def _quantize(output: Path, messages: list[Message]) -> tuple[QuantizationTrainer, QuantizationResult]:
    _step("3. Quantizing it: QuantizationTrainer.quantize()")
    trainer = _trainer(output, messages)
    result = trainer.quantize()
    trainer.save_model()
    print(result.table())
    return trainer, result


def _trainer(output: Path, messages: list[Message]) -> QuantizationTrainer:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(output / "fp32")
    dataset: Dataset = encode(messages, tokenizer)
    args = QuantizationTrainingArguments(
        output_dir=str(output / "int8"),
        per_device_eval_batch_size=EVAL_BATCH_SIZE,
        use_cpu=True,
        report_to="none",
        seed=SEED,
        disable_tqdm=not sys.stderr.isatty(),
    )
    return QuantizationTrainer(
        model=AutoModelForSequenceClassification.from_pretrained(output / "fp32"),
        args=args,
        eval_dataset=dataset,
        processing_class=tokenizer,
        compute_metrics=_accuracy,
    )


def _accuracy(prediction: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float(np.mean(prediction.predictions.argmax(-1) == prediction.label_ids))}


def _reload(trainer: QuantizationTrainer, output: Path) -> bool:
    _step("4. Loading it in a new process with AutoModelForSequenceClassification.from_pretrained")
    same = check_in_new_process(trainer.model, output / "int8", evaluation_batches(trainer, None, 4))
    print("   The logits are the same, bit for bit." if same else "   THE LOGITS DIFFER from those before saving.")
    return same


def _benchmark(trainer: QuantizationTrainer, result: QuantizationResult, output: Path) -> BenchmarkReport:
    _step("5. Timing both on the same batches, in turn")
    float_model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(output / "fp32")
    values = {"fp32": result.baseline.value, "int8": result.chosen.value}
    report = benchmark_models(
        {"fp32": float_model, "int8": trainer.model},
        evaluation_batches(trainer, None, None),
        warmup=10,
        iterations=100,
        engine=describe_engine(trainer.model),
        metric_name=result.metric.name,
        metric_values={name: value for name, value in values.items() if value is not None},
        file_sizes_mb={name: (output / name / WEIGHTS).stat().st_size / 1e6 for name in values},
    )
    report.save(output / "benchmark.json")
    print(report)
    return report


def _summary(output: Path, result: QuantizationResult, report: BenchmarkReport, seconds: float) -> None:
    fp32, int8 = report.models
    latencies = f"{fp32.latency_ms_median:.1f} ms fp32, {int8.latency_ms_median:.1f} ms int8"
    _step(f"Done in {seconds:.0f} s")
    print(
        f"""   accuracy     {fp32.metric_value:.4f} fp32, {int8.metric_value:.4f} int8
   predictions  {result.chosen.flips} of {result.chosen.rows} changed
   file size    {fp32.file_size_mb:.1f} MB fp32, {int8.file_size_mb:.1f} MB int8
   latency      {latencies}, batch of {EVAL_BATCH_SIZE}
   float model  {output / "fp32"}
   int8 model   {output / "int8"}
   benchmark    {output / "benchmark.json"}

Next, one message at a time:
  {_command()} benchmark {output / "fp32"} {output / "int8"} --data {output / "data" / "validation.csv"} --batch_size 1
The same with your own fine-tuned model and data:
  {_command()} quantize --help"""
    )


def _command() -> str:
    """How the shell finds `nc-trainer`, whether or not the virtual environment is active."""
    if shutil.which("nc-trainer"):
        return "nc-trainer"
    return os.path.relpath(Path(sys.executable).with_name("nc-trainer"))


def _step(text: str) -> None:
    print(f"\n{text}", flush=True)
