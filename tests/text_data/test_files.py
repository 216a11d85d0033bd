"""The user's own csv and json files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nc_trainer import NCTrainerError
from nc_trainer.text_data.own_files import read_files

ROWS = [{"sentence": "good, very", "label": "pos"}, {"sentence": 'a "bad"\none', "label": "neg"}]
CSV = 'sentence,label\n"good, very",pos\n"a ""bad""\none",neg\n'
DECODED = [{"sentence": "good, very", "label": 1}, {"sentence": 'a "bad"\none', "label": 0}]


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8", newline="")
    return path


def labels_csv(path: Path, labels: Sequence[object]) -> Path:
    return write(path, "text,label\n" + "".join(f"t{number},{label}\n" for number, label in enumerate(labels)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.csv", CSV, id="csv"),
        pytest.param("a.csv", "\ufeff" + CSV.replace("\n", "\r\n").replace("\r\none", "\none"), id="csv from Windows"),
        pytest.param("a.json", json.dumps(ROWS), id="json list"),
        pytest.param("a.json", json.dumps({"data": ROWS}), id="json under data"),
        pytest.param("a.json", "\n".join(map(json.dumps, ROWS)), id="json lines"),
        pytest.param("a.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n", id="jsonl"),
    ],
)
def test_every_layout_gives_the_same_rows(tmp_path: Path, name: str, content: str) -> None:
    data = read_files({"train": write(tmp_path / name, content)})
    assert data["train"].to_list() == DECODED
    assert data["train"].features["label"].names == ["neg", "pos"]


@pytest.mark.parametrize("delimiter", [";", "\t"], ids=["semicolons", "tabs"])
def test_other_delimiters_are_seen_in_the_header(tmp_path: Path, delimiter: str) -> None:
    content = f"text{delimiter}label\na, b; c{delimiter}1\n".replace("a, b; c", '"a, b; c"')
    row = read_files({"train": write(tmp_path / "a.csv", content)})["train"][0]
    assert row["text"] == "a, b; c"


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        pytest.param([10, 9, 10], ["9", "10"], id="numbers by value"),
        pytest.param(["b", "a", "c"], ["a", "b", "c"], id="words by alphabet"),
        pytest.param(["true", "false"], ["false", "true"], id="words that look like booleans"),
        pytest.param(["+-1", "--"], ["+-1", "--"], id="signs"),
        pytest.param(["nan", "inf"], ["inf", "nan"], id="words that look like numbers"),
    ],
)
def test_labels_are_sorted(tmp_path: Path, labels: list[object], names: list[str]) -> None:
    data = read_files({"train": labels_csv(tmp_path / "a.csv", labels)})
    assert data["train"].features["label"].names == names


def test_all_files_share_their_labels(tmp_path: Path) -> None:
    files = {"train": labels_csv(tmp_path / "a.csv", ["b"]), "validation": labels_csv(tmp_path / "b.csv", ["a"])}
    assert read_files(files)["train"].to_list() == [{"text": "t0", "label": 1}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.csv", "text,label\na,1\nb,0.5\n", id="csv"),
        pytest.param("a.json", '[{"text": "a", "label": 1}, {"text": "b", "label": 0.5}]', id="json"),
    ],
)
def test_float_labels_mean_regression(tmp_path: Path, name: str, content: str) -> None:
    data = read_files({"train": write(tmp_path / name, content)})["train"]
    assert data["label"][:] == [1.0, 0.5]
    assert data.features["label"].dtype == "float32"


def test_known_names_give_the_ids(tmp_path: Path) -> None:
    files = {"train": labels_csv(tmp_path / "a.csv", ["good", 0, "bad"])}
    assert read_files(files, label_names=["good", "bad"])["train"]["label"][:] == [0, 0, 1]


def test_a_test_file_needs_no_labels(tmp_path: Path) -> None:
    files = {"train": labels_csv(tmp_path / "a.csv", [0, 1]), "test": write(tmp_path / "b.csv", "text\nhello\n")}
    assert read_files(files)["test"].to_list() == [{"text": "hello", "label": -1}]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        pytest.param("idx,sentence2,sentence1,label", ["sentence1", "sentence2"], id="a known pair"),
        pytest.param("headline,body,label", ["headline", "body"], id="two columns"),
        pytest.param("id,review,label", ["review"], id="one column and an id"),
        pytest.param(",review,label", ["review"], id="row numbers that pandas wrote"),
        pytest.param("Unnamed: 0,review,label", ["review"], id="row numbers that pandas read and wrote"),
    ],
)
def test_text_columns_are_found(tmp_path: Path, header: str, columns: list[str]) -> None:
    path = write(tmp_path / "a.csv", f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    assert [name for name in read_files({"train": path})["train"].features if name != "label"] == columns


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.csv", "text,label\na\n", "line 2: the row does not have the header's 2", id="short row"),
        pytest.param("a.csv", "text,label\na,b,1\n", "line 2: the row does not have the header's 2", id="long row"),
        pytest.param("a.csv", 'text,label\n"a,1\n', r"a\.csv, line 2", id="open quote"),
        pytest.param("a.csv", "text,label\n", "holds no rows", id="no rows"),
        pytest.param("a.csv", "text,label\na,\n", "row 1: no value in the column 'label'", id="no label"),
        pytest.param("a.csv", "text,label\na,0.5\nb,x\n", "row 2: label 'x' is not a number", id="not a number"),
        pytest.param("a.csv", "a,b,c,label\n1,2,3,4\n", "one or two text columns.*a, b, c", id="three texts"),
        pytest.param("a.csv", "text,text,label\na,b,1\n", "line 1: 'text' names more than one", id="a column twice"),
        pytest.param("a.json", '[{"a": "b", "a": "c"}]', "'a' names more than one column", id="a key twice"),
        pytest.param("a.jsonl", '{"a": 1}\n{"a": "b", "a": "c"}\n', "line 2: 'a' names more", id="in a line"),
        pytest.param("a.csv", "label\n1\n", "one or two text columns.*found none", id="no text"),
        pytest.param("a.json", '{"text": "a", "label": 1}\n{"text"\n', "line 2: not valid json", id="broken json"),
        pytest.param("a.json", "3", "expected a list of objects", id="json number"),
        pytest.param("a.json", "[3]", "row 1: expected an object", id="json list of numbers"),
        pytest.param(
            "a.json", '[{"text": "a", "label": 1}, {"label": 1}]', "row 2: no text in the column 'text'", id="no text"
        ),
        pytest.param("a.tsv", "text\tlabel\n", "all .csv or all .json", id="another extension"),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(NCTrainerError, match=message):
        read_files({"train": path})


def test_an_unknown_label_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match=r"row 2: label 'c' is not a, b"):
        read_files({"train": labels_csv(tmp_path / "a.csv", ["a", "c"])}, label_names=["a", "b"])


def test_a_test_file_alone_does_not_tell_the_labels(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match="give the training or validation file too"):
        read_files({"test": labels_csv(tmp_path / "a.csv", [1])})


def test_csv_and_json_do_not_mix(tmp_path: Path) -> None:
    files = {"train": labels_csv(tmp_path / "a.csv", [1]), "validation": write(tmp_path / "b.json", "[]")}
    with pytest.raises(NCTrainerError, match=r"all \.csv or all \.json"):
        read_files(files)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match=r"gone\.csv does not exist"):
        read_files({"train": tmp_path / "gone.csv"})


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 3)), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_json_text_survives(tmp_path: Path, written: list[tuple[str, int]]) -> None:
    rows: list[dict[str, Any]] = [{"text": text, "label": label} for text, label in written]
    data = read_files({"train": write(tmp_path / "a.json", json.dumps(rows))}, label_names=list("0123"))
    assert data["train"].to_list() == rows
