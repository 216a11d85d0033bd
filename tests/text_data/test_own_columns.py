"""Files and data sets whose columns and labels are the user's own."""

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from nc_trainer import NCTrainerError
from nc_trainer.text_data import loading as sources
from nc_trainer.text_data.loading import TextData, load_files, load_from_hub


def csv(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def from_hub(monkeypatch: pytest.MonkeyPatch, splits: dict[str, Dataset], label: str = "label") -> TextData:
    monkeypatch.setattr(sources, "load_dataset", lambda *names, **options: DatasetDict(splits))
    return load_from_hub("someone/something", None, None, None, None, label_column=label)


def test_columns_are_named(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "title,body,author,stars,label\nA,B,C,5,x\nD,E,F,1,x\n")
    data = load_files({"train": path}, None, ("title", "body"), "stars")
    assert data.text_columns == ("title", "body")
    assert data.label_names == ("1", "5")
    assert data.splits["train"].to_list() == [
        {"title": "A", "body": "B", "label": 1},
        {"title": "D", "body": "E", "label": 0},
    ]


@pytest.mark.parametrize(
    ("texts", "label", "message"),
    [
        pytest.param(("titel",), "label", "no text column 'titel'; expected one or two of", id="text"),
        pytest.param(("title",), "lable", "row 1: no value in the column 'lable'", id="label"),
        pytest.param(("title", "body", "author"), "label", "3 text columns were named", id="three texts"),
        pytest.param(("label",), "label", "no text column 'label'", id="the label as text"),
    ],
)
def test_a_column_that_is_not_there_is_named(tmp_path: Path, texts: tuple[str, ...], label: str, message: str) -> None:
    path = csv(tmp_path / "a.csv", "title,body,author,label\nA,B,C,1\n")
    with pytest.raises(NCTrainerError, match=message):
        load_files({"train": path}, None, texts, label)


@pytest.mark.parametrize("cell", ["", "  "], ids=["empty", "blank"])
def test_a_missing_label_names_the_row(tmp_path: Path, cell: str) -> None:
    with pytest.raises(NCTrainerError, match="row 2: no value in the column 'label'"):
        load_files({"train": csv(tmp_path / "a.csv", f"text,label\na,1\nb,{cell}\n")})


def test_whole_numbers_that_pandas_wrote_as_floats_are_ids_of_a_task(tmp_path: Path) -> None:
    data = load_files({"train": csv(tmp_path / "a.csv", "sentence,label\na,1.0\nb,0.0\n")}, "sst2")
    assert data.splits["train"]["label"][:] == [1, 0]


def test_many_string_labels(tmp_path: Path) -> None:
    rows = "".join(f"text {number},intent {number % 77}\n" for number in range(154))
    data = load_files({"train": csv(tmp_path / "a.csv", f"text,label\n{rows}")})
    assert len(data.label_names) == 77
    assert data.splits["train"].features["label"].int2str(data.splits["train"][80]["label"]) == "intent 3"


def test_integers_of_a_data_set_are_sorted_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    data = from_hub(monkeypatch, {"train": Dataset.from_dict({"text": ["a", "b", "c"], "label": [10, 9, 10]})})
    assert data.label_names == ("9", "10")
    assert data.splits["train"]["label"][:] == [1, 0, 1]


def test_minus_one_in_a_test_split_is_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {
        "train": Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}),
        "test": Dataset.from_dict({"text": ["c"], "label": [-1]}),
    }
    data = from_hub(monkeypatch, splits)
    assert data.label_names == ("0", "1")
    assert data.splits["test"]["label"][:] == [-1]


def test_minus_one_is_a_label_where_training_rows_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = from_hub(monkeypatch, {"train": Dataset.from_dict({"text": ["a", "b", "c"], "label": [-1, 0, 1]})})
    assert data.label_names == ("-1", "0", "1")


def test_a_test_split_without_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {
        "train": Dataset.from_dict({"text": ["a", "b"], "intent": ["x", "y"]}),
        "test": Dataset.from_dict({"text": ["c"]}),
    }
    data = from_hub(monkeypatch, splits, "intent")
    assert data.splits["test"].to_list() == [{"text": "c", "label": -1}]
    assert data.splits["train"].to_list() == [{"text": "a", "label": 0}, {"text": "b", "label": 1}]


def test_class_labels_of_a_data_set_keep_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["1", "0"])})
    data = from_hub(
        monkeypatch, {"train": Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features)}
    )
    assert data.label_names == ("1", "0")
    assert data.splits["train"]["label"][:] == [0, 1]


def test_floats_of_a_data_set_are_a_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    data = from_hub(monkeypatch, {"train": Dataset.from_dict({"text": ["a", "b"], "label": [-1.0, 2.5]})})
    assert data.is_regression
    assert data.splits["train"]["label"][:] == [-1.0, 2.5]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        pytest.param({"text": ["a"], "intent": ["x"]}, "split 'train' has no column 'label'; it has text", id="none"),
        pytest.param({"text": ["a", "b"], "label": ["x", None]}, "row 2: no label in the column 'label'", id="empty"),
    ],
)
def test_a_data_set_without_labels_is_refused(
    monkeypatch: pytest.MonkeyPatch, columns: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(NCTrainerError, match=message):
        from_hub(monkeypatch, {"train": Dataset.from_dict(columns)})
