"""Text classification data, wherever it comes from: the user's files, GLUE folders or the hub."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets import ClassLabel, DatasetDict, load_dataset

from nc_trainer.errors import NCTrainerError
from nc_trainer.glue.files import read_files, text_columns_of
from nc_trainer.glue.tasks import GlueTask, glue_task
from nc_trainer.glue.tsv import read_glue

GLUE_ON_HUB = "nyu-mll/glue"


@dataclass(frozen=True)
class TextData:
    """Text classification data before tokenization; `label_names` is empty for regression."""

    splits: DatasetDict
    text_columns: tuple[str, ...]
    label_names: tuple[str, ...]
    task: GlueTask | None = None

    @property
    def is_regression(self) -> bool:
        """Whether labels are floats to predict."""
        return not self.label_names

    def split_names(self, purpose: str) -> list[str]:
        """The splits for `train`, `validation` or `test`; MNLI has two of the last two, matched first."""
        return [name for name in self.splits if name == purpose or name.startswith(f"{purpose}_")]


def load_glue_folder(location: str | Path, task_name: str, purposes: Collection[str]) -> TextData:
    """A GLUE task from its official TSV files; `purposes` are those of `train`, `validation`, `test` to read.

    Raises:
        NCTrainerError: the folder or a file is missing, or a row is broken (see `read_glue`).
    """
    task = glue_task(task_name)
    return _of_task(read_glue(location, task_name, task.splits_for(purposes)), task)


def load_files(files: Mapping[str, str | Path], task_name: str | None = None) -> TextData:
    """The user's csv or json files, one per split (see `read_files`); a task gives the labels their order.

    Raises:
        NCTrainerError: a file is missing or broken, or its columns or labels are not clear.
    """
    task = glue_task(task_name) if task_name else None
    if task is None:
        return _of_features(read_files(files))
    return _of_features(read_files(files, task.label_names or None, task.is_regression), task)


def load_from_hub(
    name: str | None,
    config_name: str | None,
    task_name: str | None,
    cache_dir: str | None,
    token: str | bool | None,
) -> TextData:
    """A GLUE task, or the dataset `name` (also a local dataset directory), with `datasets.load_dataset`.

    Raises:
        NCTrainerError: the hub is out of reach or has no such dataset; the message names what works offline.
    """
    task = None if name else glue_task(task_name or "")
    path, config = (GLUE_ON_HUB, task.name) if task else (name, config_name)
    try:
        splits = load_dataset(path, config, cache_dir=cache_dir, token=token)
    except (OSError, ValueError) as error:
        raise NCTrainerError(
            f"could not load the dataset '{path}': {error}\n"
            "Without the hub, use --dataset_location DIR (or the environment variable GLUE_DIR) with the "
            "official GLUE folders, or --train_file and --validation_file with csv or json files."
        ) from error
    return _of_task(splits, task) if task else _of_features(_with_class_labels(splits))


def _of_task(splits: DatasetDict, task: GlueTask) -> TextData:
    return TextData(splits, task.text_columns, task.label_names, task)


def _of_features(splits: DatasetDict, task: GlueTask | None = None) -> TextData:
    any_split = next(iter(splits.values()))
    label = any_split.features["label"]
    names = tuple(label.names) if isinstance(label, ClassLabel) else ()
    return TextData(splits, text_columns_of("the data", any_split[0]), names, task)


def _with_class_labels(splits: DatasetDict) -> DatasetDict:
    """`splits` with a `label` that is a ClassLabel or a float."""
    columns = next(iter(splits.values())).features
    if "label" not in columns:
        raise NCTrainerError(f"the dataset has no column 'label'; it has {', '.join(columns)}")
    label = columns["label"]
    if isinstance(label, ClassLabel) or str(getattr(label, "dtype", "")).startswith("float"):
        return splits
    return splits.class_encode_column("label")
