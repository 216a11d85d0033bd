#!/usr/bin/env python
"""Quantize a CrossEncoder or a SentenceTransformer that scores pairs of sentences. See README.md beside this file."""

import argparse
import csv
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.cross_encoder.evaluation import CrossEncoderCorrelationEvaluator
from sentence_transformers.cross_encoder.trainer import CrossEncoderTrainer
from sentence_transformers.cross_encoder.training_args import CrossEncoderTrainingArguments
from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator
from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
from sentence_transformers.sentence_transformer.trainer import SentenceTransformerTrainer
from sentence_transformers.sentence_transformer.training_args import SentenceTransformerTrainingArguments
from transformers import set_seed

from nc_trainer import NCTrainerError, QuantizationMixin

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for tiny

from tiny import Pair, pairs, write_tiny_model

COLUMNS = ("sentence1", "sentence2", "score")


class QuantizationCrossEncoderTrainer(QuantizationMixin, CrossEncoderTrainer):
    """A CrossEncoderTrainer with `quantize()` and `benchmark()`."""


class QuantizationSentenceTransformerTrainer(QuantizationMixin, SentenceTransformerTrainer):
    """A SentenceTransformerTrainer with `quantize()` and `benchmark()`."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the script; a mistake ends it with one message."""
    options = parsed(argv)
    set_seed(0)
    try:
        run(options)
    except NCTrainerError as error:
        raise SystemExit(f"error: {error}") from error


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=["cross-encoder", "embeddings"], default="cross-encoder")
    parser.add_argument("--model_name_or_path", help="A fine-tuned model; without it a small one is trained first.")
    parser.add_argument("--pairs", type=Path, help=f"csv to judge by, with the columns {', '.join(COLUMNS)}.")
    parser.add_argument("--tuning_config", help="YAML file; the default allows a relative loss of 0.01.")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--output_dir", type=Path, default=Path("int8_pairs"))
    options = parser.parse_args(argv)
    if (options.model_name_or_path is None) != (options.pairs is None):
        parser.error("give --model_name_or_path and --pairs, or neither of them for the small model")
    return options


def run(options: argparse.Namespace) -> None:
    """The steps of the script, in order."""
    rows = pairs() if options.pairs is None else read(options.pairs)
    random.Random(0).shuffle(rows)
    with tempfile.TemporaryDirectory() as temporary:
        trainer = made(options, options.model_name_or_path or write_tiny_model(Path(temporary), options.kind), rows)
        if options.model_name_or_path is None:
            trainer.train()
        print(trainer.quantize(options.tuning_config).table())
        trainer.save_model()
        print(trainer.benchmark())
    again = type(trainer.model)(str(options.output_dir), device="cpu")
    same = np.array_equal(scores(again, rows), scores(trainer.model, rows))
    print(f"Saved in {options.output_dir}. Loaded again it gives {'the same bits' if same else 'OTHER NUMBERS'}.")


def made(options: argparse.Namespace, source: str, rows: Sequence[Pair]) -> Any:
    """The trainer, which judges by the correlation of scores."""
    first, second, labels = map(list, zip(*rows, strict=True))
    train_dataset = Dataset.from_dict({"sentence1": first, "sentence2": second, "label": labels})
    arguments: dict[str, Any] = {
        "output_dir": str(options.output_dir),
        "per_device_eval_batch_size": options.batch_size,
        "per_device_train_batch_size": 32,
        "num_train_epochs": 60,
        "learning_rate": 1e-3,
        "warmup_steps": 50,
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
    }
    if options.kind == "cross-encoder":
        return QuantizationCrossEncoderTrainer(
            model=CrossEncoder(source, device="cpu"),
            args=CrossEncoderTrainingArguments(**arguments),
            train_dataset=train_dataset,
            evaluator=CrossEncoderCorrelationEvaluator(
                list(zip(first, second, strict=True)), labels, batch_size=options.batch_size
            ),
        )
    model = SentenceTransformer(source, device="cpu")
    return QuantizationSentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(**arguments),
        train_dataset=train_dataset,
        loss=CosineSimilarityLoss(model),
        evaluator=EmbeddingSimilarityEvaluator(
            first, second, labels, main_similarity="cosine", batch_size=options.batch_size
        ),
    )


def scores(model: Any, rows: Sequence[Pair]) -> Any:
    """Of the pairs, or the embeddings of their first sentences."""
    if isinstance(model, CrossEncoder):
        return model.predict([(first, second) for first, second, _ in rows])
    return model.encode([first for first, _, _ in rows])


def read(path: Path) -> list[Pair]:
    """The pairs of a csv file.

    Raises:
        NCTrainerError: it cannot be read, lacks a column, or a score is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [(row["sentence1"], row["sentence2"], float(row["score"])) for row in rows]
    except OSError as error:
        raise NCTrainerError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise NCTrainerError(
            f"{path}: expected the columns {', '.join(COLUMNS)}, scores as numbers: {error}"
        ) from error


if __name__ == "__main__":
    main()
