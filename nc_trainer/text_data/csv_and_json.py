"""Reads a csv file (with a header row) or a json file into dictionaries.

A json file is a list of objects, one object per line, or `{"data": [...]}`.
"""

from __future__ import annotations

import csv
import io
import json
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
    reader = csv.DictReader(io.StringIO(text), strict=True)
    rows = []
    try:
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


def _json_rows(path: Path, text: str) -> Rows:
    try:
        content = json.loads(text)
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
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise NCTrainerError(f"{path}, line {number}: not valid json: {error.msg}") from None
    return rows
