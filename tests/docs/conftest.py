"""A directory in which the code of the documentation can run: that of a user after `make demo`, only smaller."""

import shutil
from pathlib import Path

import pytest
from helpers.markdown_blocks import ROOT

from nc_trainer.cli.demo import run
from nc_trainer.cli.demo.train import Size

SMALL = Size(layers=1, hidden=16, heads=2, intermediate=16, epochs=1)


@pytest.fixture(scope="session")
def after_the_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`demo_output/` and a tuning configuration `conf.yaml`."""
    place = tmp_path_factory.mktemp("user")
    run(place / "demo_output", SMALL, train_rows=60, dev_rows=20)
    shutil.copy(ROOT / "examples" / "text-classification" / "conf.yaml", place)
    return place


@pytest.fixture
def working_directory(
    after_the_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategies_as_they_were: None
) -> Path:
    """A copy of it, which is the current directory; what a page registers is gone after it."""
    copy = shutil.copytree(after_the_demo, tmp_path / "user")
    monkeypatch.chdir(copy)
    return copy
