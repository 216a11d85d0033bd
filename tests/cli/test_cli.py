"""`nc-trainer` on a local model directory and a csv file."""

import csv
import json
from pathlib import Path

import pytest
import torch
from helpers.tiny import sensitive_bert, tiny_bert, tiny_tokenizer, token_rows, with_labels_of
from transformers import AutoModelForSequenceClassification

import nc_trainer  # noqa: F401 - registers the int8 format
from nc_trainer.cli.main import main
from nc_trainer.int8.quantize import is_int8

pytestmark = pytest.mark.slow


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    tiny_bert().save_pretrained(tmp_path / "float")
    tiny_tokenizer().save_pretrained(tmp_path / "float")
    return tmp_path / "float"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = with_labels_of(tiny_bert(), token_rows())
    with open(tmp_path / "dev.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sentence", "label"])
        for ids, label in zip(rows["input_ids"], rows["labels"], strict=True):
            writer.writerow([" ".join(f"w{token - 1}" for token in ids), label])
    return tmp_path / "dev.csv"


def loose(tmp_path: Path) -> str:
    file = tmp_path / "loose.yaml"
    file.write_text("tuning:\n  accuracy_criterion:\n    absolute: 0.5\n")
    return str(file)


def test_quantize_then_benchmark(
    model_dir: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    int8_dir = tmp_path / "int8"
    arguments = ["--data", str(data), "--output_dir", str(int8_dir), "--tuning_config", loose(tmp_path)]
    assert main(["quantize", str(model_dir), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "Outcome: met" in printed
    assert f"nc-trainer benchmark {model_dir} {int8_dir}" in printed
    assert is_int8(AutoModelForSequenceClassification.from_pretrained(int8_dir))

    report = tmp_path / "report.json"
    options = ["--data", str(data), "--warmup", "0", "--iterations", "3", "--output", str(report)]
    assert main(["benchmark", str(model_dir), str(int8_dir), *options]) == 0
    models = json.loads(report.read_text())["models"]
    assert [model["name"] for model in models] == ["float", "int8"]
    assert models[0]["metric_value"] == 1.0
    assert models[0]["file_size_mb"] > models[1]["file_size_mb"]


def test_int8_embeddings_on_request(model_dir: Path, data: Path, tmp_path: Path) -> None:
    options = ["--data", str(data), "--output_dir", str(tmp_path / "int8"), "--int8_embeddings"]
    main(["quantize", str(model_dir), *options, "--tuning_config", loose(tmp_path)])
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "int8")
    assert model.bert.embeddings.word_embeddings.qweight.dtype == torch.int8


def test_a_missed_criterion_is_status_1(model_dir: Path, data: Path, tmp_path: Path) -> None:
    sensitive_bert().save_pretrained(model_dir)
    file = tmp_path / "one.yaml"
    file.write_text("tuning: {accuracy_criterion: {absolute: 0}, exit_policy: {max_trials: 1}}\n")
    options = ["--data", str(data), "--output_dir", str(tmp_path / "int8"), "--tuning_config", str(file)]
    assert main(["quantize", str(model_dir), *options]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "nowhere"}, "nowhere is not a model directory"),
        ({"data": "nothing.csv"}, "nothing.csv"),
        ({"output_dir": "float"}, "its float weights would be lost"),
        ({"tuning_config": "typo.yaml"}, "tuning.max_trails"),
    ],
    ids=["model", "data", "same-directory", "yaml"],
)
def test_a_mistake_is_one_line_and_status_2(
    model_dir: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    message: str,
) -> None:
    (tmp_path / "typo.yaml").write_text("tuning:\n  max_trails: 3\n")
    given = {"model": str(model_dir), "data": str(data), "output_dir": str(tmp_path / "int8")}
    given |= {key: str(tmp_path / value) for key, value in change.items()}
    model = given.pop("model")
    options = [word for key, value in given.items() for word in (f"--{key}", value)]
    assert main(["quantize", model, *options]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "int8" / "model.safetensors").exists()


def test_an_int8_directory_is_not_quantized_again(
    model_dir: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(data), "--tuning_config", loose(tmp_path)]
    main(["quantize", str(model_dir), "--output_dir", str(tmp_path / "int8"), *options])
    assert main(["quantize", str(tmp_path / "int8"), "--output_dir", str(tmp_path / "again"), *options]) == 2
    assert "int8 already" in capsys.readouterr().err
