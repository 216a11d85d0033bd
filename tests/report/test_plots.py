"""PNG files of the page's pictures."""

import sys
from pathlib import Path

import pytest
from helpers.report_data import benchmark_report, report_data

from nc_trainer import ConfigError
from nc_trainer.report.plots import PLOTS, save_plots
from nc_trainer.report.report_data import Sensitivity, Speed
from nc_trainer.report.report_files import Report

pytest.importorskip("matplotlib", reason="plots are an extra")


def test_each_picture_is_a_png(tmp_path: Path) -> None:
    save_plots(report_data(benchmark=benchmark_report()), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(PLOTS)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_what_is_not_known_is_not_drawn(tmp_path: Path) -> None:
    save_plots(report_data(sensitivity=Sensitivity(), speed=Speed()), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"accuracy_against_speed.png"}


def test_the_card_shows_the_pictures_that_are_there(tmp_path: Path) -> None:
    Report(report_data(), plots=True).write(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "(accuracy_against_speed.png)" in card
    assert "(latency.png)" not in card


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install nc_trainer\[plots\]"):
        save_plots(report_data(), tmp_path)
