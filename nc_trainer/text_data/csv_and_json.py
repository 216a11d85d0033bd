"""Reads a csv file (with a header row) or a json file into dictionaries.

The columns of a csv file are separated by commas, or where its header has none by semicolons or tabs.

A json file is a list of objects, one object per line, or `{"data": [...]}`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nc_trainer.errors import NCTrainerError

Rows = list[dict[str, Any]]


def read_rows(path: Path) -> Rows:
    """The rows of one file, each a dictionary from column to value (csv: strings).

    Raises:
        NCTrainerError: the file is missing, has no rows, or a row is broken; the message names the row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NCTrainerError(f"{path} does not exist") from None
    except UnicodeDecodeError as error:
        raise NCTrainerError(f"{path} is not valid UTF-8: {error.reason} at byte {error.start}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise NCTrainerError(f"{path}, line {line}: a null byte; expected text in UTF-8 (is it UTF-16, or no text?)")
    rows = _csv_rows(path, text) if path.suffix.lower() == ".csv" else _json_rows(path, text)
    if not rows:
        raise NCTrainerError(f"{path} holds no rows")
    return rows


def _csv_rows(path: Path, text: str) -> Rows:
    reader = csv.DictReader(io.StringIO(text), strict=True, delimiter=_delimiter(text))
    rows = []
    try:
        _check_unique(f"{path}, line 1", reader.fieldnames or ())
        for row in reader:
            if None in row or None in row.values():
                raise NCTrainerError(
                    f"{path}, line {reader.line_num}: the row does not have the header's "
                    f"{len(reader.fieldnames or ())} columns; a text with a comma or a line break needs "
                    "double quotes around it"
                )
            rows.append(dict(row))
    except csv.Error as error:
        raise NCTrainerError(f"{path}, line {reader.reader.line_num}: {error}") from None
    return rows


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return next((one for one in (",", ";", "\t") if one in header), ",")


def _check_unique(place: str, names: Sequence[str]) -> None:
    """Of two columns with one name the first would be lost without a word."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NCTrainerError(
            f"{place}: {', '.join(map(repr, twice))} names more than one column; give each a name of its own"
        )


def _unique(place: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def row(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _check_unique(place, [name for name, _ in pairs])
        return dict(pairs)

    return row


def _json_rows(path: Path, text: str) -> Rows:
    try:
        content = json.loads(text, object_pairs_hook=_unique(str(path)))
    except json.JSONDecodeError:
        content = _json_lines(path, text)
    if isinstance(content, dict):
        content = content["data"] if isinstance(content.get("data"), list) else [content]
    if not isinstance(content, list):
        raise NCTrainerError(f'{path}: expected a list of objects, one object per line, or {{"data": [...]}}')
    for number, row in enumerate(content, start=1):
        if not isinstance(row, dict):
            raise NCTrainerError(f"{path}, row {number}: expected an object with text and label, got {row!r}")
    return content


def _json_lines(path: Path, text: str) -> Rows:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line, object_pairs_hook=_unique(f"{path}, line {number}")))
            except json.JSONDecodeError as error:
                raise NCTrainerError(f"{path}, line {number}: not valid json: {error.msg}") from None
    return rows
