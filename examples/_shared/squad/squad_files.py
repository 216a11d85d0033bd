"""SQuAD examples: the official json files (1.1 and 2.0), flat json or csv as `datasets` writes them, or the hub.

One example is `id`, `question`, `context` and `answers`, which holds lists `text` and `answer_start` of the same
length; both are empty where there is no answer.
"""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, Features, Value, load_dataset

from nc_trainer.errors import NCTrainerError
from nc_trainer.text_data.csv_and_json import Rows, read_rows

logger = logging.getLogger(__name__)

SQUAD_ON_HUB = {False: "rajpurkar/squad", True: "rajpurkar/squad_v2"}
FEATURES = Features(
    {
        "id": Value("string"),
        "question": Value("string"),
        "context": Value("string"),
        "answers": {"text": [Value("string")], "answer_start": [Value("int64")]},
    }
)


def load_squad_files(files: Mapping[str, str | Path], unanswerable: bool) -> DatasetDict:
    """One file per split.

    Args:
        files: split (`train`, `validation`, `test`) to path. Test rows need no answers.
        unanswerable: whether a question may have no answer.

    Raises:
        NCTrainerError: a file is missing or broken, or a question has no answer and `unanswerable` is False.
    """
    return DatasetDict({split: _read(Path(path), split, unanswerable) for split, path in files.items()})


def load_squad_from_hub(
    name: str | None, config_name: str | None, unanswerable: bool, cache_dir: str | None, token: str | bool | None
) -> DatasetDict:
    """SQuAD itself, or another data set with its columns (also a local directory).

    Raises:
        NCTrainerError: the hub is out of reach or has no such data set, or it has other columns.
    """
    path = name or SQUAD_ON_HUB[unanswerable]
    try:
        splits = load_dataset(path, config_name, cache_dir=cache_dir, token=token)
    except (OSError, ValueError) as error:
        raise NCTrainerError(
            f"could not load the dataset '{path}': {error}\n"
            "Without the hub, use --train_file and --validation_file with SQuAD's json files."
        ) from error
    return DatasetDict({split: _of_rows(rows, path, split, unanswerable) for split, rows in splits.items()})


def _read(path: Path, split: str, unanswerable: bool) -> Dataset:
    rows = [flat for row in read_rows(path) for flat in _flat(path, row)]
    return _of_rows(rows, str(path), split, unanswerable)


def _flat(path: Path, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The questions of one article of the official format, or a row that is one question already."""
    if "paragraphs" not in row:
        yield row
        return
    try:
        for paragraph in row["paragraphs"]:
            for question in paragraph["qas"]:
                answers = [] if question.get("is_impossible") else question.get("answers", [])
                texts, starts = [a["text"] for a in answers], [a["answer_start"] for a in answers]
                yield {**question, "context": paragraph["context"], "answers": {"text": texts, "answer_start": starts}}
    except (KeyError, TypeError) as error:
        raise NCTrainerError(f"{path}: an article is not in SQuAD's format, which has no {error}") from error


def _of_rows(rows: Rows | Dataset, source: str, split: str, unanswerable: bool) -> Dataset:
    examples: dict[str, list[Any]] = {column: [] for column in FEATURES}
    for number, row in enumerate(rows, start=1):
        place = f"{source}, split '{split}', question {number}"
        for column in ("question", "context"):
            if not isinstance(row.get(column), str):
                raise NCTrainerError(f"{place}: no text in the column '{column}'; there are {', '.join(row)}")
            examples[column].append(row[column])
        examples["id"].append(str(row.get("id", number - 1)))
        examples["answers"].append(_answers(row, place, split, unanswerable))
    if len(set(examples["id"])) < len(examples["id"]):
        raise NCTrainerError(f"{source}: several questions of the split '{split}' have the same id")
    _check_places(examples, source, split)
    return Dataset.from_dict(examples, features=FEATURES)


def _answers(row: Mapping[str, Any], place: str, split: str, unanswerable: bool) -> dict[str, list[Any]]:
    answers = _parsed(row.get("answers"), place)
    if answers is None and split != "test":
        raise NCTrainerError(f"{place}: no column 'answers'; there are {', '.join(row)}")
    answers = answers or {"text": [], "answer_start": []}
    if not answers["text"] and split != "test" and not unanswerable:
        raise NCTrainerError(f"{place}: no answer; add --version_2_with_negative if questions may have none")
    return answers


def _check_places(examples: dict[str, list[Any]], source: str, split: str) -> None:
    """Warn of answers that training would look for at a wrong place; metrics compare texts, and do not mind."""
    wrong = 0
    for context, answers in zip(examples["context"], examples["answers"], strict=True):
        places = zip(answers["text"], answers["answer_start"], strict=True)
        wrong += any(context[start : start + len(text)] != text for text, start in places)
    if wrong:
        logger.warning("%s, split '%s': %d questions have an answer that is not at its start.", source, split, wrong)


def _parsed(answers: Any, place: str) -> dict[str, list[Any]] | None:
    """The column as it is in json, as json in a csv cell, or as `datasets` writes it into a csv cell."""
    if answers in (None, ""):
        return None
    if isinstance(answers, str):
        try:
            answers = json.loads(answers)
        except json.JSONDecodeError:
            answers = _literal(answers)
    if isinstance(answers, list) and all(isinstance(answer, Mapping) for answer in answers):
        answers = {key: [answer.get(key) for answer in answers] for key in ("text", "answer_start")}
    if isinstance(answers, Mapping) and {"text", "answer_start"} <= set(answers):
        texts, starts = list(answers["text"]), list(answers["answer_start"])
        if len(texts) == len(starts) and all(isinstance(t, str) for t in texts) and all(map(_is_count, starts)):
            return {"text": texts, "answer_start": starts}
    raise NCTrainerError(f"{place}: 'answers' is not {{'text': [...], 'answer_start': [...]}} but {answers!r}")


class _WithoutArrays(ast.NodeTransformer):
    """`array([...], dtype=object)` is the list in it."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_array = isinstance(node.func, ast.Name) and node.func.id == "array" and node.args
        return node.args[0] if is_array else node


def _literal(cell: str) -> Any:
    """A Python literal, in which there may be arrays; nothing is evaluated."""
    try:
        return ast.literal_eval(_WithoutArrays().visit(ast.parse(cell, mode="eval")))
    except (ValueError, SyntaxError):
        return cell


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0
