#!/usr/bin/env python
"""Fine-tune, evaluate, quantize (--tune) and benchmark an image classifier.

transformers' run_image_classification.py with a QuantizationTrainer in it. Without options it does all of that with a
tiny model and pictures that it makes up. See README.md beside this file.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from transformers import AutoImageProcessor, AutoModelForImageClassification

from nc_trainer import NCTrainerError, QuantizationTrainer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for _shared

from _shared.arguments import ModelArguments
from _shared.loading import check_model, explained, load_config, load_weights
from _shared.media_rows import MediaArguments, accuracy, ids_of_labels, predict, with_labels
from _shared.modes import prepared_arguments, run_modes, run_script, write_card
from _shared.script_rows import load_splits
from _shared.tiny_run import run_tiny
from tiny_pictures import write_tiny

HEAD = "ForImageClassification"
Cells = dict[str, list[Any]]


@dataclass
class PictureArguments(MediaArguments):
    """Which columns hold pictures and labels."""

    image_column_name: str = field(default="image", metadata={"help": "Column of pictures, or of paths to them."})


def main(argv: Sequence[str] | None = None) -> None:
    """Run the script; a mistake in its options, its data or its model ends it with one message."""
    if argv or (argv is None and sys.argv[1:]):
        run_script(run, argv)
    else:
        run_tiny(run, write_tiny, "int8_pictures")


def run(argv: Sequence[str] | None = None) -> None:
    """The steps of the script, in order."""
    model_args, data_args, training_args = prepared_arguments(argv, PictureArguments)
    training_args.remove_unused_columns = False  # the model's inputs are computed from columns that it has no name for
    splits, names = with_labels(
        load_splits(data_args, model_args, training_args), data_args.image_column_name, data_args
    )
    with explained(model_args.model_name_or_path):
        config = load_config(model_args)
        check_model(config, model_args, training_args, HEAD)
        ids = ids_of_labels(config, names, model_args, training_args, HEAD)
        processor = load_processor(model_args)
        model = load_weights(model_args, config, AutoModelForImageClassification, training_args.int8)
    rows = {split: found.with_transform(inputs_of(processor, ids)) for split, found in splits.items()}
    trainer = QuantizationTrainer(
        model=model,
        args=training_args,
        train_dataset=rows.get("train"),
        eval_dataset=rows.get("validation"),
        compute_metrics=accuracy,
        processing_class=processor,
    )
    run_modes(trainer)
    if training_args.do_predict:
        predict(trainer, rows["test"])
    if training_args.do_train and not training_args.tune:
        write_card(trainer, model_args, tasks="image-classification")


def load_processor(model_args: ModelArguments) -> Any:
    """The model's image processor, which resizes and normalizes pictures."""
    return AutoImageProcessor.from_pretrained(
        model_args.model_name_or_path, trust_remote_code=model_args.trust_remote_code, **model_args.hub_options
    )


def inputs_of(processor: Any, ids: dict[str, int]) -> Callable[[Cells], Cells]:
    """What makes the model's inputs of rows, when they are read: `pixel_values` [3, height, width] and a label."""

    def transform(rows: Cells) -> Cells:
        pictures = [picture(cell) for cell in rows["media"]]
        values = processor(pictures, return_tensors="pt")["pixel_values"]
        return {"pixel_values": list(values), "labels": [ids[name] for name in rows["label"]]}

    return transform


def picture(cell: Any) -> Image.Image:
    """A picture in three colours, of a path or of what `datasets` has decoded.

    Raises:
        NCTrainerError: the file holds no picture.
    """
    if isinstance(cell, Image.Image):
        return cell.convert("RGB")
    try:
        with Image.open(cell) as opened:
            return opened.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise NCTrainerError(f"{cell} cannot be read as a picture: {error}") from error


if __name__ == "__main__":
    main()
