#!/usr/bin/env python
"""Fine-tune, evaluate, quantize (--tune) and benchmark a multiple choice model on SWAG or data like it.

transformers' run_swag.py with a QuantizationTrainer in it. See README.md beside this file.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import (
    AutoModelForMultipleChoice,
    DataCollatorForMultipleChoice,
    EvalPrediction,
    PreTrainedTokenizerBase,
)

from nc_trainer import NCTrainerError, QuantizationTrainer
from nc_trainer.hub.files import write_text_atomically
from nc_trainer.text_data.preprocessing import ensure_pad_token, usable_length

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for _shared

from _shared.arguments import DataArguments
from _shared.loading import check_model, explained, load_config, load_tokenizer, load_weights
from _shared.modes import prepared_arguments, rows_needed, run_modes, run_script, write_card
from _shared.script_rows import Splits, column_values, load_splits


@dataclass
class ChoiceArguments(DataArguments):
    """Which columns hold what comes before the choices, and how rows are tokenized."""

    context_column_name: str = field(default="sent1", metadata={"help": "Column of the first text."})
    question_column_name: str = field(default="sent2", metadata={"help": "Column of what each choice goes on from."})
    max_seq_length: int = field(default=128, metadata={"help": "Longest input in tokens; the context is cut."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.files and not self.dataset_name:
            self.dataset_name, self.dataset_config_name = "allenai/swag", "regular"
        self.check_counts("max_seq_length")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the script; a mistake in its options, its data or its model ends it with one message."""
    run_script(run, argv)


def run(argv: Sequence[str] | None = None) -> None:
    """The steps of the script, in order."""
    model_args, data_args, training_args = prepared_arguments(argv, ChoiceArguments)
    splits = load_splits(data_args, model_args, training_args)
    with explained(model_args.model_name_or_path):
        config = load_config(model_args)
        check_model(config, model_args, training_args, "ForMultipleChoice")
        tokenizer = load_tokenizer(model_args)
        ensure_pad_token(tokenizer, config)
        model = load_weights(model_args, config, AutoModelForMultipleChoice, training_args.int8)
    rows = tokenize_splits(rows_needed(splits, training_args), data_args, tokenizer)
    trainer = QuantizationTrainer(
        model=model,
        args=training_args,
        train_dataset=rows.get("train"),
        eval_dataset=rows.get("validation"),
        compute_metrics=accuracy,
        processing_class=tokenizer,
        data_collator=DataCollatorForMultipleChoice(tokenizer),
    )
    run_modes(trainer)
    if training_args.do_predict:
        predict(trainer, rows["test"])
    if training_args.do_train and not training_args.tune:
        write_card(trainer, model_args, tasks="multiple-choice")


def tokenize_splits(splits: Splits, data_args: ChoiceArguments, tokenizer: PreTrainedTokenizerBase) -> Splits:
    """Inputs [choices, tokens] of each row, and `label`, the number of the right choice."""
    length = usable_length(tokenizer, data_args.max_seq_length)
    padding = "max_length" if data_args.pad_to_max_length else False
    contexts = column_values(splits, data_args.context_column_name)
    questions = column_values(splits, data_args.question_column_name)
    labels = column_values(splits, "label", needed_for_test=False)
    tokenized = {}
    for split, rows in splits.items():
        endings = choices_of(rows, split)
        encoded = []
        for context, question, ends in zip(contexts[split], questions[split], endings, strict=True):
            pairs = [context] * len(ends), [f"{question} {end}".strip() for end in ends]
            encoded.append(dict(tokenizer(*pairs, truncation="only_first", max_length=length, padding=padding)))
        ids = [label_of(label, len(endings[0]), split) for label in labels[split]] or [0] * len(rows)
        tokenized[split] = Dataset.from_list(encoded).add_column("label", ids)
    return tokenized


def choices_of(rows: Dataset, split: str) -> list[tuple[str, ...]]:
    """The choices of each row, from the columns `ending0`, `ending1` ...; NCTrainerError if there are not two."""
    numbers = sorted(int(name[6:]) for name in rows.column_names if re.fullmatch(r"ending\d+", name))
    columns = [f"ending{number}" for number in numbers]
    if len(columns) < 2:
        raise NCTrainerError(
            f"the {split} rows have {len(columns)} of the columns ending0, ending1 ..., expected two or more; "
            f"there are {', '.join(rows.column_names)}"
        )
    values = [column_values({split: rows}, column)[split] for column in columns]
    return list(zip(*values, strict=True))


def label_of(label: Any, choices: int, split: str) -> int:
    """The number of the right choice; NCTrainerError if it is none."""
    number = int(label) if re.fullmatch(r"\d+", str(label)) else -1
    if not 0 <= number < choices:
        raise NCTrainerError(f"the {split} rows have a label '{label}', expected a number from 0 to {choices - 1}")
    return number


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """The share of rows whose best choice is the right one."""
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def predict(trainer: QuantizationTrainer, rows: Dataset) -> None:
    """Write `predictions.txt`: the number of the best choice of each row."""
    best = trainer.predict(rows, metric_key_prefix="predict").predictions.argmax(-1)
    if trainer.is_world_process_zero():
        path = Path(str(trainer.args.output_dir)) / "predictions.txt"
        write_text_atomically(path, "".join(f"{number}\n" for number in best))


if __name__ == "__main__":
    main()
