"""Image classification: the script as it runs without options, and every kind of model that it is made for."""

import csv
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.example_scripts import Run, example, results, write
from PIL import Image
from torch import nn
from transformers import AutoModelForImageClassification

from nc_trainer.int8.quantize import full_recipe

pytestmark = pytest.mark.slow

COMMON = "--no_cuda --save_strategy no"
KINDS = ["vit", "dinov2", "swin", "convnext"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return example("image-classification", "run_image_classification_tune")


@pytest.fixture
def tiny(run: Run) -> Any:
    return importlib.import_module("tiny_pictures")


def test_without_options_it_trains_tunes_and_benchmarks(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    importlib.import_module("run_image_classification_tune").main([])
    assert "Outcome: met" in capsys.readouterr().out
    assert results(tmp_path / "int8_pictures")["eval_accuracy"] > 0.8
    timing = json.loads((tmp_path / "int8_pictures_log/benchmark.json").read_text())["models"]
    assert [model["metric_name"] for model in timing] == ["accuracy", "accuracy"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_becomes_int8_and_loads(kind: str, run: Run, tiny: Any, tmp_path: Path) -> None:
    tiny.write_tiny(tmp_path, kind)
    files = "--train_file train.csv --validation_file validation.csv"
    run(f"--model_name_or_path model {files} --do_train --do_eval --tune --output_dir int8 {COMMON}")
    run(f"--model_name_or_path int8 --validation_file validation.csv --do_eval --int8 --output_dir log {COMMON}")
    assert results(tmp_path / "log")["eval_loss"] == results(tmp_path / "int8")["eval_loss"]
    loaded = AutoModelForImageClassification.from_pretrained("int8").state_dict().values()
    assert any(tensor.dtype == torch.int8 for tensor in loaded)


@pytest.mark.parametrize("kind", KINDS)
def test_every_linear_layer_may_become_int8(kind: str, run: Run, tiny: Any, tmp_path: Path) -> None:
    tiny.write_model(tmp_path, kind)
    model = AutoModelForImageClassification.from_pretrained(tmp_path)
    linear = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert linear <= set(full_recipe(model).modules)


def test_pictures_of_a_data_set_are_predicted(run: Run, tiny: Any, tmp_path: Path) -> None:
    """A directory with one folder for each label, as `datasets` reads it."""
    tiny.write_model(tmp_path / "model", "vit")
    for label in tiny.LABELS:
        for split in ("train", "test"):
            (tmp_path / "pictures" / split / label).mkdir(parents=True)
            picture = Image.fromarray(tiny.pixels(label, np.random.default_rng(0)))
            picture.save(tmp_path / "pictures" / split / label / "1.png")
    run(f"--model_name_or_path model --dataset_name {tmp_path}/pictures --do_predict --output_dir out {COMMON}")
    predictions = (tmp_path / "out/predictions.txt").read_text().split()
    assert len(predictions) == 3
    assert set(predictions) <= set(tiny.LABELS)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param("gone.png,rows", "validation row 1: expected a path to a file, found gone.png", id="no file"),
        pytest.param("rows.csv,rows", "rows.csv cannot be read as a picture", id="no picture"),
        pytest.param(",rows", "validation row 1: expected a path to a file, found nothing", id="no cell"),
        pytest.param("rows.csv,stars", "fine-tuned with 3 label", id="another label"),
    ],
)
def test_a_mistake_in_the_rows_is_one_message(run: Run, tiny: Any, row: str, message: str, tmp_path: Path) -> None:
    tiny.write_model(tmp_path / "model", "vit")
    write(tmp_path / "rows.csv", f"image,label\n{row}\n")
    with pytest.raises(SystemExit, match=message):
        run(f"--model_name_or_path model --validation_file rows.csv --do_eval --output_dir out {COMMON}")


def test_grey_pictures_and_pictures_with_a_palette_are_read(run: Run, tiny: Any, tmp_path: Path) -> None:
    tiny.write_model(tmp_path / "model", "vit")
    picture = Image.fromarray(tiny.pixels("rows", np.random.default_rng(0)))
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["image", "label"])
        for mode in ("L", "P", "RGBA", "RGB"):
            picture.convert(mode).resize((50, 20)).save(tmp_path / f"{mode}.png")
            lines.writerow([f"{mode}.png", "rows"])
    run(f"--model_name_or_path model --validation_file rows.csv --do_eval --output_dir out {COMMON}")
    assert results(tmp_path / "out")["eval_samples"] == 4
