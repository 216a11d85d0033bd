"""The three sources of data."""

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from nc_trainer import NCTrainerError
from nc_trainer.text_data import loading as sources
from nc_trainer.text_data.loading import load_files, load_from_hub, load_glue_folder


def test_a_glue_folder_gives_the_wanted_splits(tmp_path: Path) -> None:
    (tmp_path / "MNLI").mkdir()
    for name in ("dev_matched", "dev_mismatched"):
        (tmp_path / f"MNLI/{name}.tsv").write_text("sentence1\tsentence2\tgold_label\na\tb\tneutral\n")
    data = load_glue_folder(tmp_path, "mnli", ["validation"])
    assert data.split_names("validation") == ["validation_matched", "validation_mismatched"]
    assert data.split_names("train") == []
    assert (data.text_columns, data.is_regression) == (("premise", "hypothesis"), False)


def test_files_for_a_task_take_its_labels(tmp_path: Path) -> None:
    (tmp_path / "dev.csv").write_text("sentence,label\ngood,positive\n")
    data = load_files({"validation": tmp_path / "dev.csv"}, "sst2")
    assert data.label_names == ("negative", "positive")
    assert data.splits["validation"]["label"][:] == [1]


def test_files_for_a_regression_task_are_regression_even_with_whole_numbers(tmp_path: Path) -> None:
    (tmp_path / "dev.csv").write_text("sentence1,sentence2,label\na,b,5\n")
    data = load_files({"validation": tmp_path / "dev.csv"}, "stsb")
    assert data.is_regression
    assert data.splits["validation"]["label"][:] == [5.0]


def test_an_unreachable_hub_names_what_works_offline() -> None:
    with pytest.raises(NCTrainerError, match=r"nyu-mll/glue[\s\S]*--dataset_location DIR[\s\S]*GLUE_DIR[\s\S]*_file"):
        load_from_hub(None, None, "sst2", None, None)


def test_glue_on_the_hub_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    features = Features({"sentence": Value("string"), "label": ClassLabel(names=["negative", "positive"])})
    hub = DatasetDict({"train": Dataset.from_dict({"sentence": ["a"], "label": [1]}, features=features)})
    asked: list[object] = []

    def load_dataset(*names: object, **options: object) -> DatasetDict:
        asked.extend(names)
        return hub

    monkeypatch.setattr(sources, "load_dataset", load_dataset)
    data = load_from_hub(None, None, "SST-2", None, None)
    assert asked == ["nyu-mll/glue", "sst2"]
    assert data.splits is hub
    assert data.label_names == ("negative", "positive")


def test_a_dataset_directory_of_ones_own_gets_class_labels(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("review,label\ngood,yes\nbad,no\n")
    data = load_from_hub(str(tmp_path), None, None, str(tmp_path / "cache"), None)
    assert (data.text_columns, data.label_names, data.task) == (("review",), ("no", "yes"), None)
    assert data.splits["train"]["label"][:] == [1, 0]
