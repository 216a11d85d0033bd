"""Tab separated tables as GLUE writes them: no quoting, so a quote is text.

Rows end at a line feed and nowhere else; a carriage return before it, a byte order mark and a missing last
line feed are accepted. A row that does not fit its header is an error that names the file and the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nc_trainer.errors import NCTrainerError


class Row(NamedTuple):
    """The cells of one row and the number of its first line, counted from 1."""

    line: int
    cells: list[str]


class Table(NamedTuple):
    """One TSV file: the column names and the rows below them."""

    path: Path
    columns: list[str]
    rows: list[Row]


Header = Callable[[Sequence[str]], Sequence[str]]


def first_row_is_header(first_row: Sequence[str]) -> Sequence[str]:
    """No names: the file has them."""
    return ()


def read_table(path: Path, names: Header = first_row_is_header, rows_span_lines: bool = False) -> Table:
    """Read one file.

    Args:
        path: of the file.
        names: from the cells of the first line the names of the columns if that line is no header, else nothing.
        rows_span_lines: whether a row with too few cells goes on in the next line.

    Raises:
        NCTrainerError: the file is missing, has no rows, is not UTF-8, or a row does not fit the header.
    """
    lines = _read_lines(path)
    first_row = lines[0].split("\t") if lines else []
    columns = list(names(first_row))
    first_line = 1 if columns else 2
    if len(lines) < first_line:
        raise NCTrainerError(f"{path} holds no rows")
    columns = columns or [name.strip() for name in first_row]
    numbered = enumerate(lines[first_line - 1 :], start=first_line)
    return Table(path, columns, list(_rows(path, numbered, len(columns), rows_span_lines)))


def _read_lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise NCTrainerError(f"{path} does not exist") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NCTrainerError(f"{path}, line {line}: not valid UTF-8 ({error.reason})") from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _rows(path: Path, lines: Iterator[tuple[int, str]], width: int, span_lines: bool) -> Iterator[Row]:
    for number, line in lines:
        cells = line.split("\t")
        while span_lines and len(cells) < width and (following := next(lines, None)):
            head, *rest = following[1].split("\t")
            cells[-1] += "\n" + head
            cells += rest
        if len(cells) != width:
            raise NCTrainerError(
                f"{path}, line {number}: {len(cells)} columns where {width} were expected; "
                "columns are separated by tabs, and quotes do not protect a tab or a line break"
            )
        yield Row(number, cells)


def column_index(table: Table, column: str) -> int:
    """Where `column` is in the rows of `table`; NCTrainerError, listing the columns, when it is not there."""
    if column not in table.columns:
        raise NCTrainerError(
            f"{table.path}: no column '{column}' in its header, which has: {', '.join(table.columns)}"
        )
    return table.columns.index(column)
