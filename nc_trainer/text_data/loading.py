"""Text classification data, wherever it comes from: the user's files, GLUE folders or the hub."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict, Value, load_dataset

from nc_trainer.errors import NCTrainerError
from nc_trainer.text_data.glue.read_folders import read_glue
from nc_trainer.text_data.glue.tasks import GlueTask, glue_task
from nc_trainer.text_data.label_values import LABEL, UNLABELLED, is_missing, label_feature, label_value
from nc_trainer.text_data.own_files import read_files, text_columns_of

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


def load_files(
    files: Mapping[str, str | Path],
    task_name: str | None = None,
    text_columns: Sequence[str] = (),
    label_column: str = LABEL,
) -> TextData:
    """The user's csv or json files, one per split (see `read_files`); a task gives the labels their order.

    Raises:
        NCTrainerError: a file is missing or broken, or its columns or labels are not clear.
    """
    task = glue_task(task_name) if task_name else None
    names, is_regression = (task.label_names or None, task.is_regression) if task else (None, None)
    splits = read_files(files, names, is_regression, text_columns, label_column)
    return _of_features(splits, task, text_columns)


def load_from_hub(
    name: str | None,
    config_name: str | None,
    task_name: str | None,
    cache_dir: str | None,
    token: str | bool | None,
    text_columns: Sequence[str] = (),
    label_column: str = LABEL,
) -> TextData:
    """A GLUE task, or the dataset `name` (also a local dataset directory), with `datasets.load_dataset`.

    Of another dataset than GLUE, `text_columns` and `label_column` name the columns.

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
    if task:
        return _of_task(splits, task)
    return _of_features(_with_labels(splits, path or "", label_column), None, text_columns)


def _of_task(splits: DatasetDict, task: GlueTask) -> TextData:
    return TextData(splits, task.text_columns, task.label_names, task)


def _of_features(splits: DatasetDict, task: GlueTask | None, text_columns: Sequence[str]) -> TextData:
    any_split = next(iter(splits.values()))
    label = any_split.features[LABEL]
    names = tuple(label.names) if isinstance(label, ClassLabel) else ()
    return TextData(splits, text_columns_of("the data", any_split[0], text_columns), names, task)


def _with_labels(splits: DatasetDict, source: str, column: str) -> DatasetDict:
    """`splits` with a `label` that is a ClassLabel or a float; test rows may have none and get -1."""
    labels = {}
    for name, rows in splits.items():
        if column in rows.column_names:
            labels[name] = rows[column][:]
        elif name.startswith("test"):
            labels[name] = [None] * len(rows)
        else:
            raise NCTrainerError(
                f"{source}: the split '{name}' has no column '{column}'; it has {', '.join(rows.column_names)}"
            )
    known = [label for name, found in labels.items() if not name.startswith("test") for label in found]
    feature = next((rows.features[column] for rows in splits.values() if column in rows.column_names), None)
    if not isinstance(feature, ClassLabel):
        feature = label_feature(label for label in known if not is_missing(label))
    return DatasetDict(
        {name: _relabelled(rows, labels[name], feature, name, source, column) for name, rows in splits.items()}
    )


def _relabelled(
    rows: Dataset, labels: Sequence[object], feature: ClassLabel | Value, name: str, source: str, column: str
) -> Dataset:
    are_ids = isinstance(rows.features.get(column), ClassLabel)
    values: list[object] = []
    for number, label in enumerate(labels, start=1):
        place = f"{source}, split '{name}', row {number}"
        unlabelled = is_missing(label) or (label == UNLABELLED and _means_unlabelled(feature))
        if unlabelled and not name.startswith("test"):
            raise NCTrainerError(f"{place}: no label in the column '{column}'")
        if unlabelled:
            values.append(UNLABELLED)
        else:
            values.append(label if are_ids else label_value(label, feature, place))
    others = rows.remove_columns([own for own in {LABEL, column} if own in rows.column_names])
    return others.add_column(LABEL, values, feature=feature)


def _means_unlabelled(feature: ClassLabel | Value) -> bool:
    """Whether -1 stands for no label; it may be a score, or the name of a label."""
    return isinstance(feature, ClassLabel) and str(UNLABELLED) not in feature.names
