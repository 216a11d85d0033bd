"""The progress line: on a terminal, in a file, and silent."""

import io
import os
import pty
import select
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.report_data import TRIALS
from helpers.tiny import tiny_trainer
from transformers.utils import logging as transformers_logging

from nc_trainer import Precision, Recipe, TuningConfig
from nc_trainer.report.progress import TrialProgress
from nc_trainer.search import CompleteTrial, Criterion, Evaluation, Metric, Reference

pytestmark = pytest.mark.slow

REFERENCE = Reference(
    Criterion(Metric("accuracy", True)),
    replace(TRIALS[0], seconds=60.0),
    Evaluation({}, 60.0, labels=np.zeros(100)),
)
"""Evaluations have 100 rows and take a minute."""
LOOSE = TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"absolute": 0.5}}})


def written(stream: io.TextIOBase, master: int | None = None, disable: bool = False) -> str:
    """What is shown of a search of about four trials."""
    progress = TrialProgress(disable, stream)  # type: ignore[arg-type]
    progress.on_begin(REFERENCE, 4)
    for trial in TRIALS[1:]:
        progress.on_rows(50)
        progress.on_trial(trial, None)
    progress.on_end()
    if master is None:
        return stream.getvalue() if isinstance(stream, io.StringIO) else ""
    stream.flush()
    return everything(master)


def everything(master: int) -> str:
    """What a terminal has been sent."""
    content = b""
    while select.select([master], [], [], 0.2)[0]:
        content += os.read(master, 1 << 16)
    return content.decode()


def test_without_a_terminal_each_trial_is_a_line() -> None:
    assert written(io.StringIO()).splitlines() == [
        "Tuning: trial 1: accuracy 0.7000, not met; best accuracy 0.7000, at most about 3 s left",
        "Tuning: trial 2: accuracy 0.9000, met; best accuracy 0.9000, at most about 2 s left",
        "Tuning: trial 3: not met, stopped after 40%; best accuracy 0.9000, at most about 1 s left",
        "Tuning: trial 4: failed; best accuracy 0.9000, almost done",
        "Tuning: trial 5: accuracy 0.8900, met; best accuracy 0.9000, almost done",
    ]


def test_a_trial_that_meets_the_criterion_by_luck_says_why() -> None:
    recipe = Recipe({"a": Precision.INT8_DYNAMIC})
    labels, stream = np.arange(300) % 2, io.StringIO()
    evaluation = Evaluation({"accuracy": 1.0}, 1.0, labels, labels)
    reference = Reference(
        REFERENCE.criterion, CompleteTrial(0, recipe, 1.0, True, 1.0), evaluation, least_agreement=0.995
    )
    progress = TrialProgress(disable=False, stream=stream)
    progress.on_begin(reference, 1)
    trial = CompleteTrial(1, recipe, 1.0, False, 1.0, flips=60, rows=300, better=30, worse=30, p_value=1.0, lucky=True)
    progress.on_trial(trial, None)
    assert "accuracy 1.0000, met by luck: 60 of 300 predictions changed (+30 -30), and losses" in stream.getvalue()


def test_a_trial_that_loses_a_label_names_it() -> None:
    stream = io.StringIO()
    progress = TrialProgress(disable=False, stream=stream)
    progress.on_begin(REFERENCE, 1)
    progress.on_trial(replace(TRIALS[1], lost_label=2, lost_recall=0.25), None)
    assert "accuracy 0.7000, not met: recall of label 2 lower by 0.2500;" in stream.getvalue()


def test_on_a_terminal_it_is_one_line_that_is_gone_afterwards() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        shown = written(terminal, master)
    assert "\n" not in shown
    assert "trial 1 (0%), at most about 4 min left" in shown
    assert "best accuracy 0.9000" in shown
    assert shown.endswith("\r")
    assert shown.rstrip("\r").rpartition("\r")[2].strip() == ""
    os.close(master)


def test_the_running_evaluation_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nc_trainer.report.progress.INTERVAL", 0.0)
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        progress = TrialProgress(False, terminal)
        progress.on_begin(REFERENCE, 4)
        progress.on_rows(50)
        terminal.flush()
        shown = everything(master)
        assert "12%|" in shown
        assert "trial 1 (50%), at most about 4 min left" in shown
    os.close(master)


def test_disabled_it_says_nothing() -> None:
    assert written(io.StringIO(), disable=True) == ""


def test_a_search_shows_its_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = tiny_trainer(tmp_path)
    trainer.args.disable_tqdm = False
    trainer.quantize(LOOSE)
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("Tuning: trial 1: accuracy")]


@pytest.mark.parametrize("silenced", ["disable_tqdm", "log_level", "transformers"])
def test_a_search_is_silent_when_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], silenced: str) -> None:
    trainer = tiny_trainer(tmp_path, arguments={"log_level": "error"} if silenced == "log_level" else {})
    trainer.args.disable_tqdm = silenced == "disable_tqdm"
    before = transformers_logging.get_verbosity()
    if silenced == "transformers":
        transformers_logging.set_verbosity_error()
    try:
        trainer.quantize(LOOSE)
    finally:
        transformers_logging.set_verbosity(before)
    assert "Tuning" not in capsys.readouterr().err
