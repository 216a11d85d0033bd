#!/usr/bin/env python
"""Fine-tune, evaluate, quantize (--tune) and benchmark a classifier of sounds.

transformers' run_audio_classification.py with a QuantizationTrainer in it. Without options it does all of that with a
tiny model and sounds that it makes up. See README.md beside this file.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from nc_trainer import QuantizationTrainer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for _shared

from _shared.arguments import ModelArguments
from _shared.loading import check_model, explained, load_config, load_weights
from _shared.media_rows import MediaArguments, accuracy, ids_of_labels, predict, with_labels
from _shared.modes import prepared_arguments, run_modes, run_script, write_card
from _shared.script_rows import load_splits
from _shared.tiny_run import run_tiny
from sounds import samples_of, undecoded
from tiny_sounds import write_tiny

HEADS = ("ForSequenceClassification", "ForAudioClassification")
"""How the classes of Wav2Vec2 and those like it end, and that of AST."""
Cells = dict[str, list[Any]]


@dataclass
class SoundArguments(MediaArguments):
    """Which columns hold sounds and labels, and how long sounds may be."""

    audio_column_name: str = field(default="audio", metadata={"help": "Column of sounds, or of paths to wav files."})
    max_length_seconds: float = field(default=20.0, metadata={"help": "Longest sound in seconds; the rest is cut."})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_counts("max_length_seconds")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the script; a mistake in its options, its data or its model ends it with one message."""
    if argv or (argv is None and sys.argv[1:]):
        run_script(run, argv)
    else:
        run_tiny(run, write_tiny, "int8_sounds")


def run(argv: Sequence[str] | None = None) -> None:
    """The steps of the script, in order."""
    model_args, data_args, training_args = prepared_arguments(argv, SoundArguments)
    training_args.remove_unused_columns = False  # the model's inputs are computed from columns that it has no name for
    column = data_args.audio_column_name
    splits = undecoded(load_splits(data_args, model_args, training_args), column)
    splits, names = with_labels(splits, column, data_args)
    with explained(model_args.model_name_or_path):
        config = load_config(model_args)
        check_model(config, model_args, training_args, *HEADS)
        ids = ids_of_labels(config, names, model_args, training_args, *HEADS)
        extractor = load_extractor(model_args)
        model = load_weights(model_args, config, AutoModelForAudioClassification, training_args.int8)
    transform = inputs_of(extractor, ids, data_args.max_length_seconds)
    rows = {split: found.with_transform(transform) for split, found in splits.items()}
    trainer = QuantizationTrainer(
        model=model,
        args=training_args,
        train_dataset=rows.get("train"),
        eval_dataset=rows.get("validation"),
        compute_metrics=accuracy,
        processing_class=extractor,
    )
    run_modes(trainer)
    if training_args.do_predict:
        predict(trainer, rows["test"])
    if training_args.do_train and not training_args.tune:
        write_card(trainer, model_args, tasks="audio-classification")


def load_extractor(model_args: ModelArguments) -> Any:
    """The model's feature extractor, which normalizes samples and may make a spectrogram of them."""
    return AutoFeatureExtractor.from_pretrained(
        model_args.model_name_or_path, trust_remote_code=model_args.trust_remote_code, **model_args.hub_options
    )


def inputs_of(extractor: Any, ids: dict[str, int], seconds: float) -> Callable[[Cells], Cells]:
    """What makes the model's inputs of rows, when they are read: `input_values` and a label."""
    rate = extractor.sampling_rate

    def transform(rows: Cells) -> Cells:
        sounds = [samples_of(cell, rate)[: int(rate * seconds)] for cell in rows["media"]]
        values = [extractor(sound, sampling_rate=rate)["input_values"][0] for sound in sounds]
        return {"input_values": values, "labels": [ids[name] for name in rows["label"]]}

    return transform


if __name__ == "__main__":
    main()
