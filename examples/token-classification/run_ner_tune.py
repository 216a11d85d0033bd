#!/usr/bin/env python
"""Fine-tune, evaluate, quantize (--tune) and benchmark a token classifier, such as one for named entities.

transformers' run_ner.py with a QuantizationTrainer in it. See README.md beside this file.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset
from transformers import AutoModelForTokenClassification, DataCollatorForTokenClassification

from nc_trainer import NCTrainerError, QuantizationTrainer
from nc_trainer.hub.files import write_text_atomically
from nc_trainer.text_data.label_alignment import align_labels, check_label_count
from nc_trainer.text_data.preprocessing import usable_length

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for _shared

from _shared.arguments import DataArguments
from _shared.loading import check_model, explained, has_head, load_config, load_tokenizer, load_weights
from _shared.modes import prepared_arguments, rows_needed, run_modes, run_script, write_card
from _shared.script_rows import load_splits
from tags import entity_metrics, named, tokenize, with_words

HEAD = "ForTokenClassification"


@dataclass
class TagArguments(DataArguments):
    """Which columns hold words and tags, and how they are tokenized."""

    text_column_name: str = field(default="tokens", metadata={"help": "Column of words."})
    label_column_name: str = field(default="ner_tags", metadata={"help": "Column of tags, one for each word."})
    label_all_tokens: bool = field(
        default=False, metadata={"help": "All tokens of a word have its tag, not only the first."}
    )
    max_seq_length: int = field(default=128, metadata={"help": "Longest input in tokens; the rest is cut."})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_source()
        self.check_counts("max_seq_length")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the script; a mistake in its options, its data or its model ends it with one message."""
    run_script(run, argv)


def run(argv: Sequence[str] | None = None) -> None:
    """The steps of the script, in order."""
    model_args, data_args, training_args = prepared_arguments(argv, TagArguments)
    splits = load_splits(data_args, model_args, training_args)
    words, tags = with_words(splits, data_args.text_column_name, data_args.label_column_name)
    with explained(model_args.model_name_or_path):
        config = load_config(model_args)
        check_model(config, model_args, training_args, HEAD)
        if not model_args.ignore_mismatched_sizes:
            check_label_count(config, tags, not training_args.do_train, HEAD)
        if not has_head(config, HEAD) or model_args.ignore_mismatched_sizes:
            config.num_labels = len(tags)
        ids = dict(zip(tags, align_labels(config, tags), strict=True))
        tokenizer = load_tokenizer(model_args, **prefix_space(config.model_type))
        model = load_weights(model_args, config, AutoModelForTokenClassification, training_args.int8)
    if not tokenizer.is_fast:
        raise NCTrainerError(f"tags of words need a fast tokenizer; {type(tokenizer).__name__} is none")
    length = usable_length(tokenizer, data_args.max_seq_length)
    options = (tokenizer, length, data_args.pad_to_max_length, ids, data_args.label_all_tokens)
    rows = {split: tokenize(found, *options) for split, found in rows_needed(words, training_args).items()}
    names = {number: str(name) for number, name in config.id2label.items()} | {ids[tag]: tag for tag in tags}
    trainer = QuantizationTrainer(
        model=model,
        args=training_args,
        train_dataset=rows.get("train"),
        eval_dataset=rows.get("validation"),
        compute_metrics=entity_metrics(names),
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer),
    )
    run_modes(trainer)
    if training_args.do_predict:
        predict(trainer, rows["test"], names)
    if training_args.do_train and not training_args.tune:
        write_card(trainer, model_args, tasks="token-classification")


def prefix_space(model_type: str) -> dict[str, bool]:
    """The tokenizers of these models take words one by one only if told that a blank stands before each."""
    return {"add_prefix_space": True} if model_type in ("bloom", "gpt2", "roberta", "deberta", "bart") else {}


def predict(trainer: QuantizationTrainer, rows: Dataset, names: dict[int, str]) -> None:
    """Write `predictions.txt`: one row a line, the tags of its words."""
    output = trainer.predict(rows, metric_key_prefix="predict")
    tags = named(output.predictions.argmax(-1), output.label_ids, names)
    if trainer.is_world_process_zero():
        path = Path(str(trainer.args.output_dir)) / "predictions.txt"
        write_text_atomically(path, "".join(f"{' '.join(row)}\n" for row in tags))


if __name__ == "__main__":
    main()
