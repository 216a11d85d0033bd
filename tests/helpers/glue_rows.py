"""A few rows of MRPC or WNLI in GLUE's folders: real ones where the data is at hand, otherwise made ones."""

import random
from itertools import zip_longest
from pathlib import Path

from nc_trainer.cli.demo.generate import generate

GLUE = Path(__file__).resolve().parents[2].parent / "shared" / "glue"
FOLDERS = {"mrpc": "MRPC", "wnli": "WNLI"}
HEADERS = {"mrpc": "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "wnli": "index\tsentence1\tsentence2\tlabel"}
TEXTS = {"mrpc": slice(3, 5), "wnli": slice(1, 3)}
LABEL = {"mrpc": 0, "wnli": 3}

Row = list[str]


def write_rows(directory: Path, task: str, count: int, *, real: bool | None = None) -> list[str]:
    """Write the same `count` short rows, half of either label, as the task's training and its dev set.

    `real=None` takes real rows where there are any. Returns the texts of the rows.
    """
    real = (GLUE / FOLDERS[task]).is_dir() if real is None else real
    rows = _balanced(_real(task) if real else _made(task), task, count)
    text = "\n".join([HEADERS[task], *("\t".join(row) for row in rows)]) + "\n"
    folder = directory / FOLDERS[task]
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "dev"):
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")
    return [sentence for row in rows for sentence in row[TEXTS[task]]]


def _balanced(rows: list[Row], task: str, count: int) -> list[Row]:
    """Short rows that differ in their first text, the labels in turn."""
    label = LABEL[task]
    rows = sorted(rows, key=lambda row: len("".join(row)))
    rows = list({row[TEXTS[task].start]: row for row in rows}.values())
    halves = [[row for row in rows if row[label] == value][: count // 2] for value in "01"]
    return [row for pair in zip_longest(*halves) for row in pair if row]


def _real(task: str) -> list[Row]:
    lines = (GLUE / FOLDERS[task] / "train.tsv").read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
    return [line.split("\t") for line in lines[1:]]


def _made(task: str) -> list[Row]:
    """Pairs of customers' messages, labelled with whether both want the same."""
    messages, _ = generate(600, 0, label_noise=0)
    rng = random.Random(0)
    rows = []
    for number in range(600):
        first, second = rng.sample(messages, 2)
        label = str(int(first.intent == second.intent))
        texts = [first.text, second.text]
        rows.append([label, "1", "2", *texts] if task == "mrpc" else [str(number), *texts, label])
    return rows
