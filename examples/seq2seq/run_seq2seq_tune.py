#!/usr/bin/env python
"""Fine-tune, evaluate, quantize (--tune) and benchmark an encoder-decoder that summarizes, translates or rewrites.

transformers' run_summarization.py with a QuantizationSeq2SeqTrainer in it. See README.md beside this file.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset
from transformers import (
    AutoModelForSeq2SeqLM,
    DataCollatorForSeq2Seq,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from nc_trainer import NCTrainerError
from nc_trainer.hub.files import write_text_atomically
from nc_trainer.text_data.preprocessing import usable_length
from nc_trainer.trainer.seq2seq import QuantizationSeq2SeqTrainer, QuantizationSeq2SeqTrainingArguments

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for _shared

from _shared.arguments import DataArguments
from _shared.loading import check_model, explained, load_config, load_tokenizer, load_weights
from _shared.modes import prepared_arguments, rows_needed, run_modes, run_script, write_card
from _shared.script_rows import Splits, column_values, load_splits
from texts import decoded, text_metrics, tokenize

HEADS = ("ForConditionalGeneration", "MTModel", "EncoderDecoderModel")
"""What the classes of encoder-decoders with a language model head are called."""


@dataclass
class PairArguments(DataArguments):
    """Which columns hold the texts, and how they are tokenized."""

    text_column: str = field(default="text", metadata={"help": "Column of the source."})
    summary_column: str = field(default="summary", metadata={"help": "Column of what is to be generated."})
    source_prefix: str = field(default="", metadata={"help": "Put before every source, as T5 wants it."})
    max_source_length: int = field(default=1024, metadata={"help": "Longest source in tokens; the rest is cut."})
    max_target_length: int = field(default=128, metadata={"help": "Longest target in tokens; the rest is cut."})
    pad_to_max_length: bool = field(
        default=False, metadata={"help": "Pad every source to the maximum; otherwise to the longest of its batch."}
    )
    num_beams: int = field(default=1, metadata={"help": "Beams of the search for a text; 1 is greedy."})
    source_lang: str | None = field(default=None, metadata={"help": "Language of sources, as mBART names it: en_XX."})
    target_lang: str | None = field(default=None, metadata={"help": "Language of targets, as mBART names it."})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_source()
        self.check_counts("max_source_length", "max_target_length", "num_beams")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the script; a mistake in its options, its data or its model ends it with one message."""
    run_script(run, argv)


def run(argv: Sequence[str] | None = None) -> None:
    """The steps of the script, in order."""
    model_args, data_args, training_args = prepared_arguments(
        argv, PairArguments, QuantizationSeq2SeqTrainingArguments
    )
    judge_generated_texts(training_args, data_args)
    splits = load_splits(data_args, model_args, training_args)
    with explained(model_args.model_name_or_path):
        config = load_config(model_args)
        check_model(config, model_args, training_args, *HEADS)
        tokenizer = load_tokenizer(model_args)
        model = load_weights(model_args, config, AutoModelForSeq2SeqLM, training_args.int8)
    set_languages(model, tokenizer, data_args)
    rows = tokenize_splits(rows_needed(splits, training_args), data_args, tokenizer)
    trainer = QuantizationSeq2SeqTrainer(
        model=model,
        args=training_args,
        train_dataset=rows.get("train"),
        eval_dataset=rows.get("validation"),
        compute_metrics=text_metrics(tokenizer),
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
    )
    run_modes(trainer)
    if training_args.do_predict:
        predict(trainer, rows["test"], tokenizer)
    if training_args.do_train and not training_args.tune:
        write_card(trainer, model_args, tasks="summarization")


def judge_generated_texts(args: QuantizationSeq2SeqTrainingArguments, data_args: PairArguments) -> None:
    """Generate while evaluating, and judge by ROUGE-L unless another metric is named."""
    args.predict_with_generate = True
    args.generation_max_length = args.generation_max_length or data_args.max_target_length
    args.generation_num_beams = args.generation_num_beams or data_args.num_beams
    args.metric_for_best_model = args.metric_for_best_model or "rougeL"


def set_languages(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, data_args: PairArguments) -> None:
    """Tell mBART's tokenizer and model which languages to read and to write.

    Raises:
        NCTrainerError: the tokenizer knows no such language.
    """
    known = getattr(tokenizer, "lang_code_to_id", None) or {}
    for option in ("source_lang", "target_lang"):
        language = getattr(data_args, option)
        if language is not None and tokenizer.convert_tokens_to_ids(language) in (None, tokenizer.unk_token_id):
            raise NCTrainerError(
                f"--{option}: the tokenizer knows no '{language}'; it knows {', '.join(known) or 'no languages'}"
            )
    if data_args.source_lang:
        tokenizer.src_lang = data_args.source_lang
    if data_args.target_lang:
        tokenizer.tgt_lang = data_args.target_lang
        model.generation_config.forced_bos_token_id = tokenizer.convert_tokens_to_ids(data_args.target_lang)


def tokenize_splits(splits: Splits, data_args: PairArguments, tokenizer: PreTrainedTokenizerBase) -> Splits:
    """The model inputs of each split."""
    sources = column_values(splits, data_args.text_column)
    targets = column_values(splits, data_args.summary_column, needed_for_test=False)
    lengths = usable_length(tokenizer, data_args.max_source_length), data_args.max_target_length
    return {
        split: tokenize(
            [data_args.source_prefix + text for text in texts],
            targets[split],
            tokenizer,
            lengths,
            data_args.pad_to_max_length,
        )
        for split, texts in sources.items()
    }


def predict(trainer: QuantizationSeq2SeqTrainer, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write `generated_predictions.txt`: one text a line."""
    texts = decoded(trainer.predict(rows, metric_key_prefix="predict").predictions, tokenizer)
    if trainer.is_world_process_zero():
        path = Path(str(trainer.args.output_dir)) / "generated_predictions.txt"
        write_text_atomically(path, "".join(f"{' '.join(text.split())}\n" for text in texts))


if __name__ == "__main__":
    main()
