"""Audio classification: the script as it runs without options, its models, and the wav files that people have."""

import importlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Audio, ClassLabel, Dataset
from helpers.example_scripts import Run, example, results, write
from scipy.io import wavfile
from torch import nn
from transformers import AutoModelForAudioClassification

from nc_trainer.int8.quantize import full_recipe

pytestmark = pytest.mark.slow

COMMON = "--no_cuda --save_strategy no"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return example("audio-classification", "run_audio_classification_tune")


@pytest.fixture
def tiny(run: Run) -> Any:
    return importlib.import_module("tiny_sounds")


@pytest.fixture
def samples_of(run: Run) -> Any:
    return importlib.import_module("sounds").samples_of


def test_without_options_it_trains_tunes_and_benchmarks(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    importlib.import_module("run_audio_classification_tune").main([])
    assert "Outcome: met" in capsys.readouterr().out
    assert results(tmp_path / "int8_sounds")["eval_accuracy"] > 0.9
    timing = json.loads((tmp_path / "int8_sounds_log/benchmark.json").read_text())["models"]
    assert [model["metric_name"] for model in timing] == ["accuracy", "accuracy"]


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
@pytest.mark.parametrize("kind", ["wav2vec2", "ast"])
def test_every_kind_of_model_becomes_int8_and_loads(kind: str, run: Run, tiny: Any, tmp_path: Path) -> None:
    tiny.write_tiny(tmp_path, kind)
    files = "--train_file train.csv --validation_file validation.csv"
    run(f"--model_name_or_path model {files} --do_train --do_eval --tune --output_dir int8 {COMMON}")
    run(f"--model_name_or_path int8 --validation_file validation.csv --do_eval --int8 --output_dir log {COMMON}")
    assert results(tmp_path / "log")["eval_loss"] == results(tmp_path / "int8")["eval_loss"]
    loaded = AutoModelForAudioClassification.from_pretrained("int8").state_dict().values()
    assert any(tensor.dtype == torch.int8 for tensor in loaded)


@pytest.mark.parametrize("kind", ["wav2vec2", "ast"])
def test_every_linear_layer_may_become_int8(kind: str, run: Run, tiny: Any, tmp_path: Path) -> None:
    tiny.write_model(tmp_path, kind)
    model = AutoModelForAudioClassification.from_pretrained(tmp_path)
    linear = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert linear <= set(full_recipe(model).modules)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8", "float32", "float64"])
def test_samples_of_every_kind_are_the_same_numbers(dtype: str, samples_of: Any, tmp_path: Path) -> None:
    wave = np.array([0.0, 0.5, -0.5, 0.25])
    largest = {"int16": 2**15, "int32": 2**31, "uint8": 2**7}.get(dtype, 1)
    stored = (wave * largest + (128 if dtype == "uint8" else 0)).astype(dtype)
    wavfile.write(tmp_path / "a.wav", 16000, stored)
    assert samples_of(str(tmp_path / "a.wav"), 16000).tolist() == wave.tolist()


def test_a_sound_of_another_rate_and_two_channels_is_resampled(samples_of: Any, tmp_path: Path) -> None:
    seconds = np.arange(44100) / 44100
    tone = np.sin(2 * np.pi * 440 * seconds)
    wavfile.write(tmp_path / "a.wav", 44100, np.stack([tone, tone], axis=1).astype(np.float32))
    found = samples_of(str(tmp_path / "a.wav"), 16000)
    assert found.dtype == np.float32
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    assert np.abs(found - expected)[100:-100].max() < 1e-3


def test_a_data_set_may_hold_the_bytes_of_a_file(samples_of: Any, tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 16000, np.array([0.5], dtype=np.float32))
    cell = {"bytes": (tmp_path / "a.wav").read_bytes(), "path": None}
    assert samples_of(cell, 16000).tolist() == [0.5]


def test_sounds_of_a_data_set_are_predicted(run: Run, tiny: Any, tmp_path: Path) -> None:
    """Sounds with their bytes, as on the hub, which are decoded without torchcodec."""
    tiny.write_model(tmp_path / "model", "wav2vec2")
    rows = []
    for number, label in enumerate(tiny.LABELS):
        wavfile.write(tmp_path / "a.wav", tiny.RATE, tiny.samples(label, np.random.default_rng(0)))
        rows.append({"audio": {"bytes": (tmp_path / "a.wav").read_bytes(), "path": "a.wav"}, "label": number})
    sounds = Dataset.from_list(rows).cast_column("audio", Audio()).cast_column("label", ClassLabel(names=tiny.LABELS))
    for split in ("train", "test"):
        sounds.to_parquet(tmp_path / f"sounds/{split}.parquet")
    run(f"--model_name_or_path model --dataset_name {tmp_path}/sounds --do_predict --output_dir out {COMMON}")
    predictions = (tmp_path / "out/predictions.txt").read_text().split()
    assert len(predictions) == 3
    assert set(predictions) <= set(tiny.LABELS)


@pytest.mark.skipif(find_spec("torchcodec") is not None, reason="torchcodec is installed")
def test_a_directory_of_sounds_needs_torchcodec(run: Run, tiny: Any, tmp_path: Path) -> None:
    tiny.write_model(tmp_path / "model", "wav2vec2")
    for label in tiny.LABELS:
        (tmp_path / "sounds" / label).mkdir(parents=True)
        wavfile.write(tmp_path / "sounds" / label / "1.wav", tiny.RATE, np.zeros(100, np.int16))
    with pytest.raises(SystemExit, match=r"install 'torchcodec'[^$]*use --train_file"):
        run(f"--model_name_or_path model --dataset_name {tmp_path}/sounds --do_train --output_dir out {COMMON}")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param("gone.wav,low", "validation row 1: expected a path to a file, found gone.wav", id="no file"),
        pytest.param("rows.csv,low", "rows.csv cannot be read as a wav file", id="no sound"),
    ],
)
def test_a_mistake_in_the_rows_is_one_message(run: Run, tiny: Any, row: str, message: str, tmp_path: Path) -> None:
    tiny.write_model(tmp_path / "model", "wav2vec2")
    write(tmp_path / "rows.csv", f"audio,label\n{row}\n")
    with pytest.raises(SystemExit, match=message):
        run(f"--model_name_or_path model --validation_file rows.csv --do_eval --output_dir out {COMMON}")
