"""The header rows of GLUE's official TSV files, for files that have lost theirs. CoLA's never had one."""

from __future__ import annotations

from collections.abc import Sequence

Columns = tuple[str, ...]

_PAIR = ("sentence1", "sentence2")
_ENTAILMENT: tuple[Columns, ...] = (("index", *_PAIR, "label"), ("index", *_PAIR))
_STSB = ("index", "genre", "filename", "year", "old_index", "source1", "source2", *_PAIR)
_MRPC = ("#1 ID", "#2 ID", "#1 String", "#2 String")
_PARSES = tuple(f"sentence{number}_{kind}" for kind in ("binary_parse", "parse") for number in (1, 2))
_MNLI = ("index", "promptID", "pairID", "genre", *_PARSES, *_PAIR)

HEADERS: dict[str, tuple[Columns, ...]] = {
    "cola": (("source", "label", "mark", "sentence"), ("index", "sentence")),
    "mnli": ((*_MNLI, "label1", "gold_label"), (*_MNLI, *(f"label{n}" for n in range(1, 6)), "gold_label"), _MNLI),
    "mrpc": (("Quality", *_MRPC), ("index", *_MRPC)),
    "qnli": (("index", "question", "sentence", "label"), ("index", "question", "sentence")),
    "qqp": (
        ("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
        ("id", "question1", "question2"),
    ),
    "rte": _ENTAILMENT,
    "sst2": (("sentence", "label"), ("index", "sentence")),
    "stsb": ((*_STSB, "score"), _STSB),
    "wnli": _ENTAILMENT,
}
"""By task: of the files with labels (MNLI: training, then validation), and of the test file."""


def lost_header(task_name: str, first_row: Sequence[str], needed: Sequence[str]) -> Columns:
    """The official columns of a file whose first row is no header; empty where it is one.

    The first row is taken for data if it names none of the columns that are needed, and has as many cells as an
    official header that names them all.

    Args:
        task_name: of the nine.
        first_row: the cells of the file's first line.
        needed: the columns that will be read.
    """
    if set(needed) & {cell.strip() for cell in first_row}:
        return ()
    fitting = [header for header in HEADERS[task_name] if set(needed) <= set(header) and len(header) == len(first_row)]
    return fitting[0] if fitting else ()
