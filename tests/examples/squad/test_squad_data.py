"""SQuAD in its formats."""

import json
from pathlib import Path
from typing import Any

import pytest
from _shared.squad import squad_files as source
from _shared.squad.squad_files import load_squad_files, load_squad_from_hub
from datasets import Dataset
from helpers.squad_rows import articles, write_squad

from nc_trainer import NCTrainerError


def load(path: Path, unanswerable: bool = False, split: str = "validation") -> list[dict[str, Any]]:
    return load_squad_files({split: path}, unanswerable)[split].to_list()


def test_the_official_format(tmp_path: Path) -> None:
    rows = load(write_squad(tmp_path / "dev.json"))
    context = "boris works in delhi . anna lives in paris ."
    assert rows[0] == {
        "id": "q0",
        "question": "Where does anna live ?",
        "context": context,
        "answers": {"text": ["paris", "paris"], "answer_start": [37, 37]},
    }
    assert [row["id"] for row in rows] == [f"q{number}" for number in range(6)]


def test_version_2_has_questions_without_answer(tmp_path: Path) -> None:
    rows = load(write_squad(tmp_path / "dev.json", version_2=True), unanswerable=True)
    assert [len(row["answers"]["text"]) for row in rows] == [2, 0, 2, 0, 2, 0]


def test_plausible_answers_are_no_answers(tmp_path: Path) -> None:
    content = articles(version_2=True)
    question = content[0]["paragraphs"][1]["qas"][0]
    question["plausible_answers"] = question["answers"] = [{"text": "paris", "answer_start": 0}]
    (tmp_path / "dev.json").write_text(json.dumps({"data": content}))
    assert load(tmp_path / "dev.json", unanswerable=True)[1]["answers"]["text"] == []


@pytest.mark.parametrize("layout", ["json list", "json under data", "json lines", "csv of datasets", "csv with json"])
def test_flat_files_give_the_same_rows(tmp_path: Path, layout: str) -> None:
    rows = load(write_squad(tmp_path / "dev.json"))
    path = tmp_path / ("flat.csv" if layout.startswith("csv") else "flat.json")
    if layout == "json list":
        path.write_text(json.dumps(rows))
    elif layout == "json under data":
        path.write_text(json.dumps({"data": rows}))
    elif layout == "json lines":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif layout == "csv of datasets":
        load_squad_files({"validation": tmp_path / "dev.json"}, False)["validation"].to_csv(path)
    else:
        Dataset.from_list([row | {"answers": json.dumps(row["answers"])} for row in rows]).to_csv(path)
    assert load(path) == rows


def test_test_rows_need_no_answers(tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text('[{"question": "Who?", "context": "Me."}]')
    empty: dict[str, list[Any]] = {"text": [], "answer_start": []}
    assert load(tmp_path / "test.json", split="test") == [
        {"id": "0", "question": "Who?", "context": "Me.", "answers": empty}
    ]


ROW = {"id": "a", "question": "Who?", "context": "Me.", "answers": {"text": ["Me"], "answer_start": [0]}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param([ROW, ROW], "several questions of the split 'validation' have the same id", id="same id"),
        pytest.param([ROW | {"context": None}], "question 1: no text in the column 'context'", id="no context"),
        pytest.param([ROW | {"answers": None}], "question 1: no column 'answers'", id="no answers"),
        pytest.param([ROW | {"answers": "Me"}], r"'answers' is not \{'text'", id="a string"),
        pytest.param([ROW | {"answers": {"text": ["Me"], "answer_start": []}}], "'answers' is not", id="lengths"),
        pytest.param(
            [ROW | {"answers": {"text": [], "answer_start": []}}], "add --version_2_with_negative", id="no answer"
        ),
        pytest.param([{"title": "x", "paragraphs": [{"qas": []}, {"qas": [{}]}]}], "has no 'id'|has no", id="article"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    (tmp_path / "dev.json").write_text(json.dumps(rows))
    with pytest.raises(NCTrainerError, match=message):
        load(tmp_path / "dev.json")


def test_an_answer_at_a_wrong_place_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "dev.json").write_text(json.dumps([ROW | {"answers": {"text": ["Me"], "answer_start": [1]}}]))
    load(tmp_path / "dev.json")
    assert "1 questions have an answer that is not at its start" in caplog.text


@pytest.mark.parametrize(("unanswerable", "name"), [(False, "rajpurkar/squad"), (True, "rajpurkar/squad_v2")])
def test_the_hub_is_asked_for_the_version(
    monkeypatch: pytest.MonkeyPatch, unanswerable: bool, name: str, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def load_dataset(*names: Any, **options: Any) -> dict[str, Dataset]:
        asked.extend(names)
        return {"validation": Dataset.from_list([ROW | {"title": "x"}])}

    monkeypatch.setattr(source, "load_dataset", load_dataset)
    assert load_squad_from_hub(None, None, unanswerable, None, None)["validation"].to_list() == [ROW]
    assert asked == [name, None]


def test_an_unreachable_hub_names_what_works_offline() -> None:
    with pytest.raises(NCTrainerError, match=r"rajpurkar/squad[\s\S]*--validation_file with SQuAD's json"):
        load_squad_from_hub(None, None, False, None, None)
