#!/usr/bin/env python
"""Fine-tune, evaluate, quantize (--tune) and benchmark a question answering model on SQuAD or data like it.

transformers' run_qa.py with a QuantizationQuestionAnsweringTrainer in it. See README.md beside this file.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import (
    AutoModelForQuestionAnswering,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from nc_trainer import QuantizationTrainingArguments
from nc_trainer.hub.files import write_text_atomically
from nc_trainer.text_data.preprocessing import usable_length

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for _shared

from _shared.arguments import ModelArguments, purposes
from _shared.loading import check_model, explained, load_config, load_tokenizer, load_weights
from _shared.modes import (
    check_purposes,
    evaluate_once,
    first_rows,
    prepared_arguments,
    rows_needed,
    run_modes,
    run_script,
    write_card,
)
from _shared.squad import Answer, QuantizationQuestionAnsweringTrainer
from _shared.squad.features import Windows
from _shared.squad.squad_files import load_squad_files, load_squad_from_hub
from squad_arguments import SquadArguments


def main(argv: Sequence[str] | None = None) -> None:
    """Run the script; a mistake in its options, its data or its model ends it with one message."""
    run_script(run, argv)


def run(argv: Sequence[str] | None = None) -> None:
    """The steps of the script, in order."""
    model_args, data_args, training_args = prepared_arguments(argv, SquadArguments)
    examples = load_examples(data_args, model_args, training_args)
    model, tokenizer = load_model(model_args, training_args)
    features = make_features(rows_needed(examples, training_args), data_args, training_args, tokenizer)
    trainer = QuantizationQuestionAnsweringTrainer(
        model=model,
        args=training_args,
        train_dataset=features.get("train"),
        eval_dataset=features.get("validation"),
        eval_examples=examples.get("validation"),
        finder=data_args.finder,
        preprocess_logits_for_metrics=lambda logits, labels: logits[:2],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8 if training_args.fp16 else None),
    )
    run_modes(trainer, lambda: evaluate(trainer))
    if training_args.do_predict:
        save_answers("predict", trainer.answers(features["test"], examples["test"]), trainer)
    if training_args.do_train and not training_args.tune:
        write_card(trainer, model_args, tasks="question-answering")


def load_examples(
    data_args: SquadArguments, model_args: ModelArguments, training_args: QuantizationTrainingArguments
) -> dict[str, Dataset]:
    """The questions that the options need, from files or the hub, each split cut to its `--max_..._samples`."""
    if data_args.files:
        splits = load_squad_files(data_args.files, data_args.version_2_with_negative)
    else:
        hub = (data_args.version_2_with_negative, model_args.cache_dir, model_args.hub_options["token"])
        splits = load_squad_from_hub(data_args.dataset_name, data_args.dataset_config_name, *hub)
    wanted = purposes(training_args)
    check_purposes(wanted, list(splits))
    return {purpose: first_rows(splits[purpose], purpose, data_args) for purpose in wanted}


def load_model(
    model_args: ModelArguments, training_args: QuantizationTrainingArguments
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model (float32, or int8 with --int8) and its tokenizer."""
    with explained(model_args.model_name_or_path):
        config = load_config(model_args)
        check_model(config, model_args, training_args, "ForQuestionAnswering")
        tokenizer = load_tokenizer(model_args)
        return load_weights(model_args, config, AutoModelForQuestionAnswering, training_args.int8), tokenizer


def make_features(
    examples: dict[str, Dataset],
    data_args: SquadArguments,
    training_args: QuantizationTrainingArguments,
    tokenizer: PreTrainedTokenizerBase,
) -> dict[str, Dataset]:
    """The windows of each split."""
    length = usable_length(tokenizer, data_args.max_seq_length)
    windows = Windows(tokenizer, length, data_args.doc_stride, data_args.pad_to_max_length)
    features = {}
    for purpose, rows in examples.items():
        cut = windows.training if purpose == "train" else windows.evaluation
        with training_args.main_process_first(desc=f"tokenizing {purpose}"):
            features[purpose] = cut(rows, load_from_cache_file=not data_args.overwrite_cache)
    return features


def evaluate(trainer: QuantizationQuestionAnsweringTrainer) -> None:
    """Metrics in eval_results.json, and the answers that they are of."""
    evaluate_once(trainer, len(trainer.eval_examples or ()))
    save_answers("eval", trainer.latest_answers, trainer)


def save_answers(name: str, answers: dict[str, Answer], trainer: QuantizationQuestionAnsweringTrainer) -> None:
    """`<name>_predictions.json` in the official format, and `<name>_nbest_predictions.json`."""
    if not trainer.is_world_process_zero():
        return
    best = {
        key: [
            {"text": candidate.text, "score": candidate.score, "probability": probability}
            for candidate, probability in zip(answer.candidates, answer.probabilities(), strict=True)
        ]
        for key, answer in answers.items()
    }
    texts = {key: answer.text for key, answer in answers.items()}
    found: dict[str, dict[str, Any]] = {"predictions": texts, "nbest_predictions": best}
    for kind, content in found.items():
        path = Path(str(trainer.args.output_dir)) / f"{name}_{kind}.json"
        write_text_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
