"""Reads GLUE's official TSV folders, as untidy as they are, into the columns of the hub's `nyu-mll/glue`.

Rows are never dropped: a broken one is an error that names the file and the line.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from nc_trainer.errors import NCTrainerError
from nc_trainer.text_data.glue.find_files import find_task_folder, split_files
from nc_trainer.text_data.glue.headers import lost_header
from nc_trainer.text_data.glue.tab_separated import Table, column_index, read_table
from nc_trainer.text_data.glue.tasks import GlueTask, glue_task
from nc_trainer.text_data.label_values import UNLABELLED

logger = logging.getLogger(__name__)


def read_glue(location: str | Path, task_name: str, splits: Collection[str] | None = None) -> DatasetDict:
    """Read a task from `location`, which holds the task's folder (`SST-2/`) or is that folder.

    Args:
        location: a directory of official GLUE folders, or one of them.
        task_name: one of the nine tasks, in any spelling (`sst2`, `SST-2`).
        splits: the hub's names of those to read (`train`, `validation`; MNLI: `validation_matched`);
            by default all whose file exists.

    Returns:
        Splits with the task's text columns (strings) and `label`: a ClassLabel, or float32 for STS-B.
        Test rows without a label have -1, as on the hub.

    Raises:
        NCTrainerError: the folder or a wanted file is missing, or a row is broken.
    """
    task = glue_task(task_name)
    folder = find_task_folder(Path(location), task)
    if task.name == "mrpc" and not (folder / "dev.tsv").exists():
        return _mrpc_from_original_files(folder, task, splits)
    files = split_files(folder, task)
    wanted = splits if splits is not None else [split for split, path in files.items() if path.exists()]
    return DatasetDict({split: _read_split(_file_of(split, files), split, task) for split in wanted})


def _file_of(split: str, files: dict[str, Path]) -> Path:
    if split not in files:
        raise NCTrainerError(f"unknown split '{split}'; expected one of {', '.join(files)}")
    return files[split]


def _read_split(path: Path, split: str, task: GlueTask) -> Dataset:
    labelled = not split.startswith("test")
    needed = [*(task.file_text_columns or task.text_columns), *([task.file_label] if labelled else [])]

    def names(first_row: Sequence[str]) -> Sequence[str]:
        found = lost_header(task.name, first_row, needed)
        if found and task.name != "cola":
            logger.warning("%s has no header row; its columns are taken to be %s.", path, ", ".join(found))
        return found

    return _to_dataset(read_table(path, names, rows_span_lines=task.rows_span_lines), task, labelled)


def _mrpc_from_original_files(folder: Path, task: GlueTask, splits: Collection[str] | None) -> DatasetDict:
    """Split Microsoft's training file as GLUE does: `dev_ids.tsv` lists the validation split's pairs."""
    training = read_table(folder / "msr_paraphrase_train.txt")
    dev_ids = {tuple(row.cells) for row in read_table(folder / "dev_ids.tsv", lambda row: ("#1 ID", "#2 ID")).rows}
    first, second = column_index(training, "#1 ID"), column_index(training, "#2 ID")
    is_dev = [(row.cells[first], row.cells[second]) in dev_ids for row in training.rows]
    tables = {
        "train": training._replace(rows=[row for row, dev in zip(training.rows, is_dev, strict=True) if not dev]),
        "validation": training._replace(rows=[row for row, dev in zip(training.rows, is_dev, strict=True) if dev]),
    }
    test = folder / "msr_paraphrase_test.txt"
    if test.exists():
        tables["test"] = read_table(test)
    wanted = splits if splits is not None else list(tables)
    if missing := [split for split in wanted if split not in tables]:
        raise NCTrainerError(f"{folder} has no file for the split '{missing[0]}'; it has {', '.join(tables)}")
    return DatasetDict({split: _to_dataset(tables[split], task, labelled=True) for split in wanted})


def _to_dataset(table: Table, task: GlueTask, labelled: bool) -> Dataset:
    data: dict[str, list[Any]] = {}
    file_columns = task.file_text_columns or task.text_columns
    for column, file_column in zip(task.text_columns, file_columns, strict=True):
        index = column_index(table, file_column)
        data[column] = [row.cells[index] for row in table.rows]
    data["label"] = _labels(table, task) if labelled else [UNLABELLED] * len(table.rows)
    label = Value("float32") if task.is_regression else ClassLabel(names=list(task.label_names))
    texts = {column: Value("string") for column in task.text_columns}
    return Dataset.from_dict(data, features=Features({**texts, "label": label}))


def _labels(table: Table, task: GlueTask) -> list[float]:
    index = column_index(table, task.file_label)
    parse = _similarity if task.is_regression else _label_ids(task).get
    labels = []
    for row in table.rows:
        label = parse(row.cells[index].strip())
        if label is None:
            expected = "a number from 0 to 5" if task.is_regression else f"one of {', '.join(_label_ids(task))}"
            raise NCTrainerError(f"{table.path}, line {row.line}: the label '{row.cells[index]}' is not {expected}")
        labels.append(label)
    return labels


def _label_ids(task: GlueTask) -> dict[str, float]:
    """The id of each label as the files write it."""
    names = task.file_labels or tuple(str(number) for number in range(len(task.label_names)))
    return {name: number for number, name in enumerate(names)}


def _similarity(text: str) -> float | None:
    """An STS-B score."""
    try:
        score = float(text)
    except ValueError:
        return None
    return score if 0 <= score <= 5 else None
