"""Trials reach the callbacks once each, and nothing else does."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers.tiny import config, sensitive_bert, tiny_trainer
from transformers import TrainerCallback

from nc_trainer import ConfigError


class Recorder(TrainerCallback):
    def __init__(self) -> None:
        self.logged: list[dict[str, float]] = []

    def on_log(self, *args: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        self.logged.append(dict(logs or {}))


def test_each_trial_is_logged_once_under_its_own_prefix(tmp_path: Path) -> None:
    recorder = Recorder()
    result = tiny_trainer(tmp_path, sensitive_bert(), callbacks=[recorder]).quantize(config(0.05))
    assert [log["trial/number"] for log in recorder.logged] == [trial.number for trial in result.trials]
    assert len(result.trials) > 1
    for log, trial in zip(recorder.logged, result.trials, strict=True):
        assert log.get("trial/accuracy") == trial.value  # one that was stopped early has none
        assert log["trial/accepted"] == float(trial.accepted)
        assert log["trial/int8_modules"] == len(trial.recipe.quantized)
        assert all(name.startswith("trial/") for name in log if name != "epoch")


def test_a_failed_trial_is_logged_without_a_metric(tmp_path: Path) -> None:
    recorder = Recorder()
    trainer = tiny_trainer(tmp_path, callbacks=[recorder])
    original = trainer.compute_metrics
    calls: list[int] = []

    def fails_after_the_first(prediction: Any) -> dict[str, float]:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("boom")
        return original(prediction)

    trainer.compute_metrics = fails_after_the_first
    trainer.quantize(config(exit_policy={"max_trials": 1}))
    assert [(log["trial/number"], log["trial/accepted"]) for log in recorder.logged] == [(1, 0.0)]
    assert "trial/accuracy" not in recorder.logged[0]


def test_trials_do_not_change_the_evaluations_in_the_history(tmp_path: Path) -> None:
    """Of which Trainer's model card takes the last."""
    trainer = tiny_trainer(tmp_path)
    trainer.evaluate()
    before = list(trainer.state.log_history)
    trainer.quantize(config())
    evaluations = [entry for entry in trainer.state.log_history if "eval_accuracy" in entry]
    assert evaluations == before
    assert len(evaluations) == 1


def test_after_a_search_evaluations_are_logged_again(tmp_path: Path) -> None:
    recorder = Recorder()
    trainer = tiny_trainer(tmp_path, callbacks=[recorder])
    trainer.quantize(config())
    recorder.logged.clear()
    trainer.evaluate()
    assert ["eval_accuracy" in log for log in recorder.logged] == [True]


def test_tensorboard_gets_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, float, int]] = []
    opened: list[str] = []

    class Writer:
        def __init__(self, log_dir: str) -> None:
            opened.append(log_dir)

        def add_scalar(self, name: str, value: float, global_step: int) -> None:
            written.append((name, value, global_step))

        def flush(self) -> None: ...

        def close(self) -> None:
            opened.append("closed")

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    place = tmp_path / "work"
    result = tiny_trainer(tmp_path).quantize(config(tensorboard=True, workspace={"path": str(place)}))
    assert ("trial/accuracy", result.trials[0].value, 1) in written
    assert opened == [str(place / "runs"), "closed"]


def test_without_tensorboard_the_key_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: pytest.fail("evaluated"))
    with pytest.raises(ConfigError, match=r"`tuning\.tensorboard`: .*`pip install tensorboard`"):
        trainer.quantize(config(tensorboard=True))
