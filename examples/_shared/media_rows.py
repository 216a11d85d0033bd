"""Rows that name a file (a picture, a sound) and a label; the file is read when the row is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import EvalPrediction, PretrainedConfig

from _shared.arguments import DataArguments, ModelArguments
from _shared.loading import has_head
from _shared.script_rows import Splits, class_names, column_values
from nc_trainer.config.training_args import QuantizationTrainingArguments
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub.files import write_text_atomically
from nc_trainer.text_data.label_alignment import align_labels, check_label_count
from nc_trainer.trainer import QuantizationTrainer

UNLABELLED = -100


@dataclass
class MediaArguments(DataArguments):
    """The column of labels."""

    label_column_name: str = field(default="label", metadata={"help": "Column of labels."})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_source()


def with_labels(splits: Splits, media_column: str, data_args: MediaArguments) -> tuple[Splits, list[str]]:
    """The splits with `media` (a path, or what the data set holds) and `label` (a name), and the names in order.

    Paths in a csv or json file count from the directory of that file.

    Raises:
        NCTrainerError: a column is missing, a cell is empty, or a path leads nowhere.
    """
    media = column_values(splits, media_column)
    labels = column_values(splits, data_args.label_column_name, needed_for_test=False)
    labelled = next((splits[split] for split, values in labels.items() if values), None)
    if labelled is None:
        raise NCTrainerError("test rows alone do not tell the labels; give the training or validation rows too")
    known = class_names(labelled, data_args.label_column_name)
    found = {}
    for split, rows in splits.items():
        cells = media[split]
        if split in data_args.files:
            folder = Path(data_args.files[split]).parent
            cells = [_located(folder, cell, f"{split} row {number}") for number, cell in enumerate(cells, start=1)]
        names = [known[label] if known else str(label) for label in labels[split]] or [""] * len(rows)
        found[split] = Dataset.from_dict({"media": cells, "label": names})
    return found, known or sorted({name for rows in found.values() for name in rows["label"] if name})


def _located(folder: Path, cell: Any, place: str) -> str:
    path = folder / str(cell)
    if not str(cell).strip() or not path.is_file():
        raise NCTrainerError(f"{place}: expected a path to a file, found {str(path) if cell else 'nothing'}")
    return str(path)


def ids_of_labels(
    config: PretrainedConfig,
    names: Sequence[str],
    model_args: ModelArguments,
    args: QuantizationTrainingArguments,
    *heads: str,
) -> dict[str, int]:
    """The model's id of each label; a model with none of these heads gets one with as many labels.

    Raises:
        NCTrainerError: the model was fine-tuned with other labels.
    """
    for head in heads:
        if not model_args.ignore_mismatched_sizes:
            check_label_count(config, names, not args.do_train, head)
    if model_args.ignore_mismatched_sizes or not any(has_head(config, head) for head in heads):
        config.num_labels = len(names)
    return dict(zip(names, align_labels(config, names), strict=True)) | {"": UNLABELLED}


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """The share of rows whose best label is the right one."""
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def predict(trainer: QuantizationTrainer, rows: Dataset) -> None:
    """Write `predictions.txt`: the name of the best label of each row."""
    best = trainer.predict(rows, metric_key_prefix="predict").predictions.argmax(-1)
    if trainer.is_world_process_zero():
        names = trainer.model.config.id2label
        path = Path(str(trainer.args.output_dir)) / "predictions.txt"
        write_text_atomically(path, "".join(f"{names[int(number)]}\n" for number in best))
