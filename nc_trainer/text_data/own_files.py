"""The user's own training, validation and test files: csv or json, one row per example.

One column holds the labels, `label` unless another is named; one or two other columns hold the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from nc_trainer.errors import NCTrainerError
from nc_trainer.text_data.csv_and_json import Rows, read_rows
from nc_trainer.text_data.label_values import LABEL, is_missing, label_feature, label_value

TEXT_PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question1", "question2"),
    ("text1", "text2"),
)
NOT_TEXT = {LABEL, "id", "idx", "index", "guid", "", "Unnamed: 0"}
"""The last two are what pandas calls its row numbers when it writes a csv file, and when it has read one."""


def read_files(
    files: Mapping[str, str | Path],
    label_names: Sequence[str] | None = None,
    is_regression: bool | None = None,
    text_columns: Sequence[str] = (),
    label_column: str = LABEL,
) -> DatasetDict:
    """Read one file per split, all csv or all json.

    Args:
        files: split name (`train`, `validation`, `test`) to path. A test file needs no labels; its
            rows get -1.
        label_names: the labels in the order of their ids, when known; the files hold the names or the ids.
            By default the names are the distinct labels of all files, sorted (numbers by value).
        is_regression: whether labels are floats to predict; by default, whether any is written as a float.
        text_columns: one or two names; by default they are found out, see `text_columns_of`.
        label_column: its name in the files.

    Returns:
        Splits with one or two text columns (strings) and `label`: a ClassLabel, or float32 for regression.

    Raises:
        NCTrainerError: a file is missing or broken, its columns are unclear, or a label is unknown.
    """
    paths = {split: Path(path) for split, path in files.items()}
    check_extensions(paths)
    rows = {split: _with_label_column(read_rows(path), label_column) for split, path in paths.items()}
    texts = text_columns_of(str(next(iter(paths.values()))), next(iter(rows.values()))[0], text_columns)
    labels = {split: _labels(paths[split], split, rows[split], label_column) for split in rows}
    known = [label for split in labels for label in labels[split] if label is not None]
    feature = label_feature(known, label_names, is_regression)
    return DatasetDict(
        {split: _to_dataset(paths[split], rows[split], texts, labels[split], feature) for split in rows}
    )


def _with_label_column(rows: Rows, label_column: str) -> Rows:
    """The rows with the label under `label`; a column that is called so and holds something else is left out."""
    if label_column == LABEL:
        return rows
    others = [{name: value for name, value in row.items() if name not in (LABEL, label_column)} for row in rows]
    return [{**other, LABEL: row.get(label_column)} for other, row in zip(others, rows, strict=True)]


def check_extensions(paths: Mapping[str, Path]) -> None:
    """All are csv or all are json.

    Raises:
        NCTrainerError: they are not.
    """
    extensions = {path.suffix.lower().lstrip(".") for path in paths.values()}
    if len(extensions) != 1 or not extensions <= {"csv", "json", "jsonl"}:
        named = ", ".join(str(path) for path in paths.values())
        raise NCTrainerError(f"data files must be all .csv or all .json (.jsonl); got {named}")


def text_columns_of(source: str, row: Mapping[str, Any], wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The one or two columns of `row` that hold the text: those `wanted`, a known pair, or all that hold strings.

    Raises:
        NCTrainerError: that is not clear, or a wanted column is not there; the message names `source`.
    """
    if wanted:
        _check_wanted(source, row, wanted)
        return tuple(wanted)
    for pair in TEXT_PAIRS:
        if set(pair) <= set(row):
            return pair
    columns = tuple(name for name, value in row.items() if name not in NOT_TEXT and isinstance(value, str))
    if len(columns) not in (1, 2):
        raise NCTrainerError(
            f"{source}: one or two text columns beside '{LABEL}' were expected, found "
            f"{', '.join(columns) or 'none'}; remove the others, name the texts sentence1 and sentence2, "
            "or say which they are with --text_column_names"
        )
    return columns


def _check_wanted(source: str, row: Mapping[str, Any], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in row or name == LABEL]
    if missing or len(set(wanted)) not in (1, 2):
        problem = f"no text column '{missing[0]}'" if missing else f"{len(wanted)} text columns were named"
        raise NCTrainerError(f"{source}: {problem}; expected one or two of {', '.join(set(row) - {LABEL})}")


def _labels(path: Path, split: str, rows: Rows, label_column: str) -> list[Any]:
    """The labels as written (csv: strings); all None for the test file, whose labels are never used."""
    if split == "test":
        return [None] * len(rows)
    labels = [row.get(LABEL) for row in rows]
    for number, label in enumerate(labels, start=1):
        if is_missing(label):
            raise NCTrainerError(f"{path}, row {number}: no value in the column '{label_column}'")
    return labels


def _to_dataset(
    path: Path, rows: Rows, texts: Sequence[str], labels: Sequence[Any], feature: Value | ClassLabel
) -> Dataset:
    data: dict[str, list[Any]] = {column: [] for column in texts}
    for number, row in enumerate(rows, start=1):
        for column in texts:
            if not isinstance(row.get(column), str):
                raise NCTrainerError(f"{path}, row {number}: no text in the column '{column}'")
            data[column].append(row[column])
    places = (f"{path}, row {number}" for number in range(1, len(labels) + 1))
    data[LABEL] = [label_value(label, feature, place) for label, place in zip(labels, places, strict=True)]
    return Dataset.from_dict(data, features=Features({**{c: Value("string") for c in texts}, LABEL: feature}))
