"""`nc-trainer gate`: its status says whether an int8 model may replace its float model."""

import json
from pathlib import Path

import pytest
from helpers.float_and_int8 import float_and_int8
from helpers.tiny import tiny_tokenizer

from nc_trainer.cli import main


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return float_and_int8(tmp_path_factory.mktemp("gate"))


def gate(place: Path, int8: str, *options: str) -> int:
    data = ["--data", str(place / "dev.csv"), "--slice", "source"]
    return main(["gate", str(place / "float"), str(place / int8), *data, *options])


def test_a_good_model_passes(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "verdict.json"
    assert gate(place, "good", "--absolute", "0.2", "--per_label", "0.9", "--output", str(output)) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "PASSED"
    assert "source = a: right 1.0000 ->" in printed
    saved = json.loads(output.read_text())
    assert saved["passed"] is True
    assert saved["before"] == 1.0
    assert [each["value"] for each in saved["slices"]] == ["a", "b"]


def test_labels_in_a_column_of_another_name_are_no_text(place: Path, tmp_path: Path) -> None:
    data = tmp_path / "dev.csv"
    data.write_text((place / "dev.csv").read_text().replace("label", "target", 1))
    directories = [str(place / "float"), str(place / "good"), "--data", str(data)]
    assert main(["gate", *directories, "--slice", "source", "--absolute", "0.2"]) == 0


def test_a_bad_model_is_status_1_with_the_reason(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(place, "int8") == 1
    assert "FAILED: accuracy is" in capsys.readouterr().out


def test_a_label_alone_can_fail_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(place, "int8", "--absolute", "1", "--per_label", "0.1") == 1
    assert "FAILED: recall of LABEL_" in capsys.readouterr().out


def test_the_criterion_of_a_file(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text("tuning: {accuracy_criterion: {absolute: 1}}")
    assert gate(place, "int8", "--tuning_config", str(file)) == 0
    file.write_text("tuning: {accuracy_criterion: {absolute: 1, per_label: 0.1}}")
    assert gate(place, "int8", "--tuning_config", str(file)) == 1
    assert gate(place, "int8", "--tuning_config", str(file), "--per_label", "0.99") == 1
    file.write_text("tuning: {accuracy_criterion: {absolute: 1}}")
    assert gate(place, "int8", "--tuning_config", str(file), "--per_label", "0.1") == 1


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        (("float", "float"), (), "is a float model; the second directory is the int8 one"),
        (("int8", "int8"), (), "is an int8 model; the first directory is the float one"),
        (("float", "int8"), ("--slice", "nothing"), "column 'nothing'"),
    ],
)
def test_mistakes_are_status_2(
    models: tuple[str, str],
    options: tuple[str, ...],
    message: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    slices = options or ("--slice", "source")
    directories = [str(place / name) for name in models]
    tiny_tokenizer().save_pretrained(place / "int8")
    assert main(["gate", *directories, "--data", str(place / "dev.csv"), *slices]) == 2
    assert message in capsys.readouterr().err
