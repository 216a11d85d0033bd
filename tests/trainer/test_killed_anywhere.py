"""A search that is killed at any batch of any evaluation goes on without repeating a finished trial."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.killable import KilledAtBatch, search
from transformers import TrainerCallback

from nc_trainer.report.result import QuantizationResult
from nc_trainer.search import Trial

pytestmark = pytest.mark.slow


class Interrupted(KeyboardInterrupt):
    """Stands for the death of the process."""


def interrupt() -> None:
    raise Interrupted


def recorded(result: QuantizationResult) -> list[tuple[Any, ...]]:
    """Of each trial what does not depend on the clock."""
    return [
        (trial.number, trial.recipe, trial.state, trial.value, trial.low, trial.high, trial.share, trial.flips)
        for trial in result.trials
    ]


class Counted(TrainerCallback):
    """How many batches were evaluated."""

    def __init__(self) -> None:
        self.batches = 0

    def on_prediction_step(self, *args: Any, **kwargs: Any) -> None:
        self.batches += 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[QuantizationResult, int]:
    counted = Counted()
    result = search(tmp_path_factory.mktemp("whole"), counted)
    return result, counted.batches


def test_the_search_has_everything_that_may_be_lost(whole: tuple[QuantizationResult, int]) -> None:
    result, _ = whole
    assert {trial.state for trial in result.trials} == {"complete", "pruned"}
    assert {trial.recipe.float_dtype for trial in result.trials} == {"float32", "bfloat16"}
    assert result.outcome == "met"


def finished_before(trials: tuple[Trial, ...], batches: int, per_evaluation: int) -> tuple[int, int]:
    """How many trials had ended when so many batches were evaluated, and how many batches they took."""
    used, finished = per_evaluation, 0  # the float model
    for trial in trials:
        cost = round(trial.share * per_evaluation)
        if used + cost > batches:
            break
        used, finished = used + cost, finished + 1
    return finished, used


@pytest.mark.parametrize("share", [0.1, 0.45, 0.62, 0.8, 0.97])
def test_nothing_finished_is_repeated(tmp_path: Path, whole: tuple[QuantizationResult, int], share: float) -> None:
    result, batches = whole
    per_evaluation, killed_at = 16, round(share * batches)
    with pytest.raises(Interrupted):
        search(tmp_path, KilledAtBatch(killed_at, interrupt))
    counted = Counted()
    resumed = search(tmp_path, counted)
    _, used = finished_before(result.trials, killed_at - 1, per_evaluation)
    assert recorded(resumed) == recorded(result)
    assert (resumed.recipe, resumed.reason) == (result.recipe, result.reason)
    assert counted.batches == per_evaluation + batches - max(used, per_evaluation)


def test_kill_9_in_the_middle_of_an_evaluation(tmp_path: Path, whole: tuple[QuantizationResult, int]) -> None:
    result, batches = whole
    command = [sys.executable, "-m", "helpers.killable", str(tmp_path), str(batches * 3 // 4)]
    killed = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    counted = Counted()
    assert recorded(search(tmp_path, counted)) == recorded(result)
    assert counted.batches < 16 + batches // 2
