"""`nc-trainer export`: what is not within the criterion is not written. A runtime of the test's own stands for all."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.float_and_int8 import float_and_int8
from torch import Tensor

from nc_trainer.cli import export_command, main
from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import export as hub_export
from nc_trainer.hub.export import ExportSource, Inputs, Run

Export = Callable[..., int]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return float_and_int8(tmp_path_factory.mktemp("export"))


@pytest.fixture
def export(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """The command, writing to `out`, with a runtime that computes the float model, with the given sign."""

    def run_command(*options: str, sign: int = 1, directories: tuple[str, str] = ("float", "good")) -> int:
        def export_model(source: ExportSource, export_format: str, directory: Path) -> Run:
            (directory / "model.bin").write_bytes(b"x")

            def run(inputs: Inputs) -> Tensor:
                with torch.no_grad():
                    return sign * source.float_model(**inputs).logits

            return run

        monkeypatch.setattr(export_command, "export_model", export_model)
        monkeypatch.setattr("nc_trainer.cli.exported_model.ROUNDS", 2)
        data = ["--data", str(place / "dev.csv"), "--text_column_names", "sentence"]
        models = [str(place / name) for name in directories]
        return main(["export", *models, str(tmp_path / "out"), "--format", "onnx", *data, *options])

    return run_command


def test_what_meets_the_criterion_is_written(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("--absolute", "0.1") == 0
    printed = capsys.readouterr().out
    assert "torch: accuracy: float 1.0000" in printed
    assert "onnx: accuracy: float 1.0000, int8 1.0000" in printed
    assert "predictions changed: 0 of 60" in printed
    assert "onnx against torch float:" in printed
    output = tmp_path / "out"
    assert {"model.bin", "config.json", "tokenizer.json", "nc_trainer_export.json"} <= {
        path.name for path in output.iterdir()
    }
    assert json.loads((output / "nc_trainer_export.json").read_text())["passed"] is True
    assert output.stat().st_mode & 0o777 == 0o755


def test_what_does_not_is_status_1_and_leaves_nothing(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("--absolute", "0.1", sign=-1) == 1
    printed = capsys.readouterr().out
    assert "FAILED: accuracy is 0." in printed
    assert "out was not written" in printed
    assert list(tmp_path.iterdir()) == []


def test_an_empty_directory_is_taken(export: Export, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export() == 0
    assert (tmp_path / "out" / "model.bin").is_file()


def test_a_directory_with_files_is_left_alone(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert export() == 2
    assert "exists already: name a new directory" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_the_directories_are_not_mixed_up(export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(directories=("good", "float")) == 2
    assert "is an int8 model; the first directory is the float one" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_metric_that_predictions_do_not_give_is_named(
    export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("--metric", "f1_of_mine") == 2
    assert "f1_of_mine" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub_export, "find_spec", lambda name: None)
    with pytest.raises(
        NCTrainerError, match=r"needs onnx and openvino and nncf: pip install 'nc_trainer\[openvino\]'"
    ):
        hub_export.export_model(None, "openvino", tmp_path)  # type: ignore[arg-type]
