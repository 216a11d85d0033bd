"""Several metrics, and where files are kept, through `quantize()`."""

from pathlib import Path
from typing import Any

import pytest
from helpers.tiny import tiny_trainer, tuning_config

from nc_trainer import ConfigError, NCTrainerError
from nc_trainer.search.resume import JOURNAL


def test_each_metric_must_meet_the_criterion(tmp_path: Path) -> None:
    found = iter([{"f1": 0.8, "accuracy": 0.8}, {"f1": 0.9, "accuracy": 0.7}])
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: next(found))
    several = {"absolute": 0.05, "multi_metrics": {"metrics": ["f1", "accuracy"]}}
    result = trainer.quantize(tuning_config(tuning={"accuracy_criterion": several, "exit_policy": {"max_trials": 1}}))
    assert result.outcome == "best_effort"
    assert result.metric.name == "worst change of f1, accuracy"
    assert result.trials[0].value == pytest.approx(-0.1)


def test_their_weighted_mean_can_be_judged(tmp_path: Path) -> None:
    found = iter([{"f1": 0.8, "accuracy": 0.8}, {"f1": 0.9, "accuracy": 0.7}])
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: next(found))
    several = {"absolute": 0.05, "multi_metrics": {"metrics": ["f1", "accuracy"], "weight": [1, 1]}}
    result = trainer.quantize(tuning_config(tuning={"accuracy_criterion": several}))
    assert result.outcome == "met"
    assert result.chosen.value == pytest.approx(0.8)


class Killed(BaseException):
    pass


def interrupted(tmp_path: Path, **tuning: Any) -> None:
    def kill(prediction: Any) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        return {"accuracy": 1.0}

    calls: list[int] = []
    with pytest.raises(Killed):
        tiny_trainer(tmp_path, compute_metrics=kill).quantize(tuning_config(tuning=tuning))


def test_the_workspace_is_where_the_journal_is(tmp_path: Path) -> None:
    place = tmp_path / "work"
    interrupted(tmp_path, workspace={"path": str(place)})
    assert (place / JOURNAL).exists()
    assert not (tmp_path / "out" / JOURNAL).exists()


@pytest.mark.parametrize("named", ["file", "directory"])
def test_resume_names_a_journal(tmp_path: Path, named: str) -> None:
    place = tmp_path / "work"
    interrupted(tmp_path, workspace={"path": str(place)})
    resume = place if named == "directory" else place / JOURNAL
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: {"accuracy": 1.0})
    result = trainer.quantize(tuning_config(tuning={"workspace": {"resume": str(resume)}}))
    assert result.outcome == "met"
    trainer.save_model()
    assert not (place / JOURNAL).exists()


def test_a_journal_that_is_not_there_is_refused(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: pytest.fail("evaluated"))
    with pytest.raises(ConfigError, match=r"`tuning\.workspace\.resume`: there is no .*nowhere"):
        trainer.quantize(tuning_config(tuning={"workspace": {"resume": str(tmp_path / "nowhere")}}))


def test_a_history_of_the_original_is_refused_unread(tmp_path: Path) -> None:
    snapshot = tmp_path / "history.snapshot"
    snapshot.write_bytes(b"\x80\x04\x95pickle")
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: pytest.fail("evaluated"))
    with pytest.raises(NCTrainerError, match=r"history\.snapshot"):
        trainer.quantize(tuning_config(tuning={"workspace": {"resume": str(snapshot)}}))
    assert snapshot.read_bytes() == b"\x80\x04\x95pickle"
