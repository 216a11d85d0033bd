"""The multiple choice script, on a tiny BERT that has learnt eight rows by heart."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from _shared import script_rows as source
from datasets import Dataset, DatasetDict
from helpers.example_scripts import Run, example, results, train, tune_and_benchmark, write, write_model
from transformers import AutoModelForMultipleChoice, BertForMultipleChoice

pytestmark = pytest.mark.slow

COMMON = "--no_cuda --max_seq_length 24"
TRAIN = f"--do_train --do_eval --num_train_epochs 40 --learning_rate 3e-3 --per_device_train_batch_size 8 {COMMON}"
WRONG = ["bad", "awful", "poor"]


def swag_rows() -> list[dict[str, Any]]:
    """The right ending is the good one."""
    rows = []
    for number in range(8):
        right = number * number % 3
        endings = {f"ending{n}": "good" if n == right else WRONG[(number + n) % 3] for n in range(3)}
        rows.append({"sent1": f"the film {number}", "sent2": "a plot", "label": right, **endings})
    return rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("swag")
    write(directory / "rows.json", json.dumps(swag_rows()))
    write_model(directory / "start", BertForMultipleChoice, hidden_dropout_prob=0.0)
    train(directory, example("multiple-choice", "run_swag_tune"), TRAIN)
    return directory


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(trained / "model")
    write(tmp_path / "rows.json", json.dumps(swag_rows()))
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(swag_rows()[0]))
        writer.writeheader()
        writer.writerows(swag_rows())
    return example("multiple-choice", "run_swag_tune")


def test_training_learns_the_rows(trained: Path) -> None:
    assert results(trained / "model")["eval_accuracy"] == 1


@pytest.mark.parametrize("padding", ["true", "false"], ids=["padded", "dynamic"])
@pytest.mark.parametrize("file", ["rows.json", "rows.csv"])
def test_tune_then_benchmark(
    run: Run, file: str, padding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = f"--validation_file {file} {COMMON} --pad_to_max_length {padding}"
    tuned, timing = tune_and_benchmark(run, common, f"--train_file {file}")
    assert "Outcome: met" in capsys.readouterr().out
    loaded = AutoModelForMultipleChoice.from_pretrained(tmp_path / "int8")
    assert any(tensor.dtype == torch.int8 for tensor in loaded.state_dict().values())

    assert (timing["metric_name"], timing["metric_value"]) == ("accuracy", tuned["eval_accuracy"])
    assert timing["batch_size"] == 3


def test_rows_without_label_are_predicted(run: Run, tmp_path: Path) -> None:
    unlabelled = [{key: value for key, value in row.items() if key != "label"} for row in swag_rows()]
    write(tmp_path / "test.json", json.dumps(unlabelled))
    run(f"--model_name_or_path model --test_file test.json --do_predict {COMMON} --output_dir out")
    assert (tmp_path / "out/predictions.txt").read_text().split() == [str(row["label"]) for row in swag_rows()]


def test_without_files_swag_comes_from_the_hub(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def load_dataset(*names: Any, **options: Any) -> DatasetDict:
        asked.extend(names)
        return DatasetDict({"validation": Dataset.from_list(swag_rows())})

    monkeypatch.setattr(source, "load_dataset", load_dataset)
    run(f"--model_name_or_path model --do_eval {COMMON} --output_dir out")
    assert asked == ["allenai/swag", "regular"]
    assert results(tmp_path / "out")["eval_accuracy"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"label": 3}, "have a label '3', expected a number from 0 to 2", id="label"),
        pytest.param({"label": "b"}, "have a label 'b'", id="no number"),
        pytest.param({"ending1": None}, "row 1: nothing in the column 'ending1'", id="empty ending"),
        pytest.param({"sent1": None}, "row 1: nothing in the column 'sent1'", id="empty text"),
    ],
)
def test_a_mistake_in_the_rows_is_one_message(run: Run, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "bad.json", json.dumps([swag_rows()[0] | change]))
    with pytest.raises(SystemExit, match=message):
        run(f"--model_name_or_path model --validation_file bad.json --do_eval {COMMON} --output_dir out")


def test_two_endings_are_needed(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "bad.json", json.dumps([{"sent1": "a", "sent2": "b", "ending0": "c", "label": 0}]))
    with pytest.raises(SystemExit, match="1 of the columns ending0, ending1"):
        run(f"--model_name_or_path model --validation_file bad.json --do_eval {COMMON} --output_dir out")
