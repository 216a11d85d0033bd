"""A search that was interrupted or killed goes on where it stopped."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.tiny import accuracy, sensitive_bert, tiny_bert, tiny_trainer
from transformers import EvalPrediction

from nc_trainer import NCTrainerError, OptimizedModel, QuantizationError, SavingError, TuningConfig
from nc_trainer.hub import recipe_of
from nc_trainer.hub.unsaved import keep_until_saved
from nc_trainer.int8.quantize import is_int8

EVERY_TRIAL_ONCE = {"quantization": {"float_dtype": "float32"}}  # the same trials on every CPU
CONFIG = TuningConfig.from_dict(EVERY_TRIAL_ONCE | {"tuning": {"accuracy_criterion": {"absolute": 0.05}}})
JOURNAL = "_tuning.jsonl"

KILLED = """
import os, signal, sys
from pathlib import Path
from helpers.tiny import accuracy, sensitive_bert, tiny_trainer
from nc_trainer import TuningConfig

evaluations = 0

def killed_in_the_third(prediction):
    global evaluations
    evaluations += 1
    if evaluations == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return accuracy(prediction)

trainer = tiny_trainer(Path(sys.argv[1]), sensitive_bert(), compute_metrics=killed_in_the_third)
config = {"quantization": {"float_dtype": "float32"}, "tuning": {"accuracy_criterion": {"absolute": 0.05}}}
trainer.quantize(TuningConfig.from_dict(config))
"""


def counting(calls: list[bool], stop_at: int | None = None) -> Callable[[EvalPrediction], dict[str, float]]:
    """A `compute_metrics` that notes its calls, and is interrupted in one of them."""

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        calls.append(True)
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        return accuracy(prediction)

    return compute_metrics


def raise_no_space(stage: Path, target: Path) -> None:
    raise OSError(28, "No space left on device")


def interrupted(tmp_path: Path, stop_at: int = 3) -> None:
    """Baseline 1, trial 1 is evaluation 2, and so on."""
    trainer = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=counting([], stop_at))
    with pytest.raises(KeyboardInterrupt):
        trainer.quantize(CONFIG)


def test_finished_trials_are_not_judged_again(tmp_path: Path) -> None:
    whole = tiny_trainer(tmp_path / "whole", sensitive_bert()).quantize(CONFIG)
    interrupted(tmp_path)
    calls: list[bool] = []
    result = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=counting(calls)).quantize(CONFIG)
    assert len(calls) == 1 + len(whole.trials) - 1  # the baseline is checked, one trial is known
    assert [trial.recipe for trial in result.trials] == [trial.recipe for trial in whole.trials]
    assert [trial.value for trial in result.trials] == [trial.value for trial in whole.trials]
    assert result.recipe == whole.recipe


@pytest.mark.slow
def test_kill_9_loses_no_finished_trial(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    killed = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    calls: list[bool] = []
    result = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=counting(calls)).quantize(CONFIG)
    assert result.outcome == "met"
    assert len(calls) == 1 + len(result.trials) - 1


def test_the_journal_is_kept_until_the_model_is_saved(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, sensitive_bert())
    trainer.quantize(CONFIG)
    assert (tmp_path / "out" / JOURNAL).exists()
    trainer.save_model()
    assert not (tmp_path / "out" / JOURNAL).exists()


def test_a_model_that_stayed_in_float_is_saved_too(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    (tmp_path / "kept").write_text("")
    keep_until_saved(trainer.model, tmp_path / "kept")
    trainer.save_model()
    assert not (tmp_path / "kept").exists()


def test_a_result_that_could_not_be_saved_is_not_searched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = tiny_trainer(tmp_path, sensitive_bert())
    whole = trainer.quantize(CONFIG)
    with monkeypatch.context() as full_disk:
        full_disk.setattr("nc_trainer.hub.stage.commit", raise_no_space)
        with pytest.raises(SavingError, match="No space left"):
            trainer.save_model()
    calls: list[bool] = []
    again = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=counting(calls))
    result = again.quantize(CONFIG)
    again.save_model()
    assert len(calls) == 1  # the baseline
    assert [trial.value for trial in result.trials] == [trial.value for trial in whole.trials]
    assert recipe_of(OptimizedModel.from_pretrained(tmp_path / "out")) == whole.recipe
    assert not (tmp_path / "out" / JOURNAL).exists()


def test_a_finished_search_does_not_stand_in_the_way_of_another(tmp_path: Path) -> None:
    tiny_trainer(tmp_path, sensitive_bert()).quantize(CONFIG)
    assert tiny_trainer(tmp_path, tiny_bert()).quantize(CONFIG).outcome == "met"
    constant = tiny_trainer(tmp_path, tiny_bert(), compute_metrics=lambda prediction: {"accuracy": 0.5})
    assert constant.quantize(CONFIG).baseline.value == 0.5


def test_a_journal_that_was_removed_meanwhile_is_not_missed(tmp_path: Path) -> None:
    def remove(prediction: EvalPrediction) -> dict[str, float]:
        (tmp_path / "out" / JOURNAL).unlink(missing_ok=True)
        return accuracy(prediction)

    trainer = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=remove)
    assert trainer.quantize(CONFIG).outcome == "met"
    trainer.save_model()


def test_a_directory_that_cannot_be_written_is_found_out_before_the_search(tmp_path: Path) -> None:
    calls: list[bool] = []
    trainer = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=counting(calls))
    (tmp_path / "file").write_text("")
    trainer.args.output_dir = str(tmp_path / "file" / "out")
    with pytest.raises(SavingError, match=r"Nothing can be saved in .*Choose another output directory"):
        trainer.quantize(CONFIG)
    assert not calls


def test_a_disk_without_room_for_the_model_is_found_out_before_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []
    trainer = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=counting(calls))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(SavingError, match="has 0 MB left, and the int8 model needs at least"):
        trainer.quantize(CONFIG)
    assert not calls


@pytest.mark.parametrize(
    ("changes", "config", "message"),
    [
        ({"model": tiny_bert()}, CONFIG, "the model's weights"),
        ({"eval_dataset": None}, CONFIG, "the evaluation data"),
        ({}, TuningConfig(), r"tuning\.accuracy_criterion\.relative"),
        ({"train_dataset": None}, CONFIG, "the calibration data"),
    ],
    ids=["model", "data", "criterion", "calibration-data"],
)
def test_what_has_changed_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], config: TuningConfig, message: str
) -> None:
    interrupted(tmp_path)
    model = changes.pop("model", None) or sensitive_bert()
    trainer = tiny_trainer(tmp_path, model)
    if "eval_dataset" in changes:
        trainer.eval_dataset = trainer.eval_dataset.select(range(20))
    if "train_dataset" in changes:
        trainer.train_dataset = None
    with pytest.raises(NCTrainerError, match=message):
        trainer.quantize(config)
    assert not is_int8(model)
    assert (tmp_path / "out" / JOURNAL).exists()


def test_another_metric_under_the_same_name_is_noticed(tmp_path: Path) -> None:
    interrupted(tmp_path)
    trainer = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=lambda prediction: {"accuracy": 0.5})
    with pytest.raises(QuantizationError, match=r"was 1\.0 when the search began, now it is 0\.5"):
        trainer.quantize(CONFIG)


def test_a_longer_budget_is_no_change(tmp_path: Path) -> None:
    interrupted(tmp_path)
    longer = {"accuracy_criterion": {"absolute": 0.05}, "exit_policy": {"max_trials": 77}}
    assert (
        tiny_trainer(tmp_path, sensitive_bert())
        .quantize(TuningConfig.from_dict(EVERY_TRIAL_ONCE | {"tuning": longer}))
        .outcome
        == "met"
    )
