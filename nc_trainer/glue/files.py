"""The user's own training, validation and test files: csv or json, one row per example.

The column `label` holds the labels; one or two other columns hold the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from nc_trainer.errors import NCTrainerError
from nc_trainer.glue.rows import Rows, read_rows

LABEL = "label"
TEXT_PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question1", "question2"),
    ("text1", "text2"),
)
NOT_TEXT = {LABEL, "id", "idx", "index", "guid"}


def read_files(
    files: Mapping[str, str | Path],
    label_names: Sequence[str] | None = None,
    is_regression: bool | None = None,
) -> DatasetDict:
    """Read one file per split, all csv or all json.

    Args:
        files: split name (`train`, `validation`, `test`) to path. A test file needs no labels; its
            rows get -1.
        label_names: the labels in the order of their ids, when known; the files hold the names or the ids.
            By default the names are the distinct labels of all files, sorted (numbers by value).
        is_regression: whether labels are floats to predict; by default, whether any is written as a float.

    Returns:
        Splits with one or two text columns (strings) and `label`: a ClassLabel, or float32 for regression.

    Raises:
        NCTrainerError: a file is missing or broken, its columns are unclear, or a label is unknown.
    """
    paths = {split: Path(path) for split, path in files.items()}
    _check_extensions(paths)
    rows = {split: read_rows(path) for split, path in paths.items()}
    texts = text_columns_of(str(next(iter(paths.values()))), next(iter(rows.values()))[0])
    labels = {split: _labels(paths[split], split, rows[split]) for split in rows}
    known = [label for split in labels for label in labels[split] if label is not None]
    if not known and label_names is None and not is_regression:
        raise NCTrainerError("a test file alone does not tell the labels; give the training or validation file too")
    if is_regression is None:
        is_regression = label_names is None and any(_is_float(label) for label in known)
    if is_regression:
        feature: Value | ClassLabel = Value("float32")
    else:
        feature = ClassLabel(names=list(label_names or _sorted_names(known)))
    return DatasetDict(
        {split: _to_dataset(paths[split], rows[split], texts, labels[split], feature) for split in rows}
    )


def _check_extensions(paths: Mapping[str, Path]) -> None:
    extensions = {path.suffix.lower().lstrip(".") for path in paths.values()}
    if len(extensions) != 1 or not extensions <= {"csv", "json", "jsonl"}:
        named = ", ".join(str(path) for path in paths.values())
        raise NCTrainerError(f"data files must be all .csv or all .json (.jsonl); got {named}")


def text_columns_of(source: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The one or two columns of `row` that hold the text.

    Raises:
        NCTrainerError: that is not clear; the message names `source`.
    """
    for pair in TEXT_PAIRS:
        if set(pair) <= set(row):
            return pair
    columns = tuple(name for name, value in row.items() if name not in NOT_TEXT and isinstance(value, str))
    if len(columns) not in (1, 2):
        raise NCTrainerError(
            f"{source}: one or two text columns beside '{LABEL}' were expected, found "
            f"{', '.join(columns) or 'none'}; remove the others, or name the texts sentence1 and sentence2"
        )
    return columns


def _labels(path: Path, split: str, rows: Rows) -> list[Any]:
    """The labels as written (csv: strings); all None for the test file, whose labels are never used."""
    if split == "test":
        return [None] * len(rows)
    labels = [row.get(LABEL) for row in rows]
    for number, label in enumerate(labels, start=1):
        if label is None or label == "":
            raise NCTrainerError(f"{path}, row {number}: no value in the column '{LABEL}'")
    return labels


def _is_float(label: Any) -> bool:
    """Whether a label is written as a float: 0.5 or "0.5", but not 1, "1" or "nan"."""
    if isinstance(label, str):
        return not _is_integer(label) and _as_float(label) is not None
    return isinstance(label, float)


def _is_integer(label: str) -> bool:
    return re.fullmatch(r"[+-]?\d{1,18}", label.strip()) is not None


def _as_float(label: Any) -> float | None:
    try:
        value = float(label)
    except (TypeError, ValueError):
        return None
    return value if abs(value) < float("inf") else None


def _sorted_names(labels: Sequence[Any]) -> list[str]:
    names = {_name(label) for label in labels}
    if all(_is_integer(name) for name in names):
        return sorted(names, key=int)
    return sorted(names)


def _name(label: Any) -> str:
    return str(label).strip()


def _to_dataset(
    path: Path, rows: Rows, texts: Sequence[str], labels: Sequence[Any], feature: Value | ClassLabel
) -> Dataset:
    data: dict[str, list[Any]] = {column: [] for column in texts}
    for number, row in enumerate(rows, start=1):
        for column in texts:
            if not isinstance(row.get(column), str):
                raise NCTrainerError(f"{path}, row {number}: no text in the column '{column}'")
            data[column].append(row[column])
    data[LABEL] = [_label_value(path, number, label, feature) for number, label in enumerate(labels, start=1)]
    return Dataset.from_dict(data, features=Features({**{c: Value("string") for c in texts}, LABEL: feature}))


def _label_value(path: Path, number: int, label: Any, feature: Value | ClassLabel) -> float:
    if label is None:
        return -1
    if isinstance(feature, ClassLabel):
        name = _name(label)
        if name in feature.names:
            return feature.names.index(name)
        if _is_integer(name) and 0 <= int(name) < feature.num_classes:
            return int(name)
    elif (value := _as_float(label)) is not None:
        return value
    expected = ", ".join(feature.names) if isinstance(feature, ClassLabel) else "a number"
    raise NCTrainerError(f"{path}, row {number}: label '{label}' is not {expected}")
