"""A search appears in the trackers that people have as trials: the real packages, without a network."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny import config, sensitive_bert, tiny_trainer
from transformers import TrainerCallback, integrations

from nc_trainer.report.result import QuantizationResult


def searched(tmp_path: Path, callback: TrainerCallback) -> QuantizationResult:
    """A search of several trials that is reported to a tracker, which is closed as a training would close it."""
    trainer = tiny_trainer(tmp_path, sensitive_bert(), callbacks=[callback])
    result = trainer.quantize(config(0.05))
    assert len(result.trials) > 1
    callback.on_train_end(trainer.args, trainer.state, trainer.control, model=trainer.model)
    return result


def expected(result: QuantizationResult, name: str) -> list[float]:
    values: dict[str, list[float]] = {
        "number": [trial.number for trial in result.trials],
        "accepted": [float(trial.accepted) for trial in result.trials],
        "accuracy": [trial.value for trial in result.trials if trial.value is not None],
    }
    return values[name]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trackers write into the current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["number", "accepted", "accuracy"])
def test_tensorboard(name: str, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(alone / "events"))
    result = searched(alone, integrations.TensorBoardCallback())
    events = EventAccumulator(str(alone / "events"))
    events.Reload()
    found = [event.value for event in events.Scalars(f"train/trial/{name}")]
    assert found == pytest.approx(expected(result, name))


@pytest.mark.parametrize("name", ["number", "accepted", "accuracy"])
def test_mlflow_with_a_file_store(name: str, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (alone / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((alone / "mlruns").as_uri())
    result = searched(alone, integrations.MLflowCallback())
    client = mlflow.MlflowClient()
    run = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])[0]
    found = [metric.value for metric in client.get_metric_history(run.info.run_id, f"trial/{name}")]
    assert sorted(found) == pytest.approx(sorted(expected(result, name)))


def test_wandb_offline(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One test, because W&B writes to the first directory of its process."""
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    result = searched(alone, integrations.WandbCallback())
    wandb.finish()
    rows = wandb_rows(alone)
    for name in ("number", "accepted", "accuracy"):
        found = [row[f"train/trial/{name}"] for row in rows if f"train/trial/{name}" in row]
        assert found == pytest.approx(expected(result, name))


def wandb_rows(directory: Path) -> list[dict[str, Any]]:
    """What was logged, from the file of an offline run."""
    from wandb.proto import wandb_internal_pb2

    rows = []
    for data in log_records(next(directory.rglob("run-*.wandb")).read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        items = record.history.item
        if items:
            rows.append({item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items})
    return rows


def log_records(content: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, which W&B puts 7 bytes before.

    https://github.com/google/leveldb/blob/main/doc/log_format.md
    """
    block, header, place, parts = 32768, struct.Struct("<IHB"), 7, b""
    while place + header.size <= len(content):
        left = block - place % block
        if left < header.size:
            place += left
            continue
        _, length, kind = header.unpack_from(content, place)
        place += header.size
        parts += content[place : place + length]
        place += length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def test_codecarbon_does_not_disturb_a_search(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("codecarbon", reason="codecarbon is not installed")
    assert searched(alone, integrations.CodeCarbonCallback()).outcome == "met"
