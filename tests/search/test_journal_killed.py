"""A process that is killed while it writes a journal."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nc_trainer.search.journal as journal_module
from nc_trainer import NCTrainerError, Precision, Recipe
from nc_trainer.search import CompleteTrial
from nc_trainer.search.journal import Journal

pytestmark = pytest.mark.slow

RECIPE = Recipe({"a": Precision.INT8_DYNAMIC, "b": Precision.FLOAT})
needs_locks = pytest.mark.skipif(journal_module.fcntl is None, reason="this platform has no fcntl")

WRITER = """
import itertools, sys
from nc_trainer.config.recipe import Recipe
from nc_trainer.search import CompleteTrial
from nc_trainer.search.journal import Journal

with Journal.open(sys.argv[1], {}) as journal:
    recipe = Recipe({f"module{n}": "int8_dynamic" for n in range(200)})
    for number in itertools.count():
        journal.record_trial(CompleteTrial(number, recipe, number / 7, True, 0.0))
        print(number, flush=True)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "journal.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@needs_locks
def test_a_killed_writer_loses_nothing_and_a_running_one_is_left_alone(
    tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    path = tmp_path / "journal.jsonl"
    assert writer.stdout is not None
    reported = [int(writer.stdout.readline()) for _ in range(20)]
    with pytest.raises(NCTrainerError, match="another process has this journal open"):
        Journal.open(path, {})
    writer.send_signal(signal.SIGKILL)
    reported += [int(line) for line in writer.stdout if line.endswith("\n")]
    assert writer.wait() == -signal.SIGKILL
    with Journal.open(path, {}) as journal:
        assert len(journal.trials) >= reported[-1]  # everything that was said to be recorded
        assert [found.value for found in journal.trials] == [n / 7 for n in range(1, len(journal.trials) + 1)]
        journal.record_trial(CompleteTrial(len(journal.trials) + 1, RECIPE, 0.5, True, 0.0))
