"""The record behind the page: saved as JSON and read back the same."""

import math
from pathlib import Path

import pytest
from helpers.report_data import NAMES, TRIALS, report_data

from nc_trainer import NCTrainerError
from nc_trainer.report.report_data import FILE_NAME, ReportData, Sensitivity


def test_what_is_saved_is_read_back_the_same(tmp_path: Path) -> None:
    data = report_data()
    data.save(tmp_path)
    assert ReportData.load(tmp_path) == data


def test_recipes_of_trials_come_back(tmp_path: Path) -> None:
    report_data().save(tmp_path)
    assert [trial.recipe for trial in ReportData.load(tmp_path).trials] == [trial.recipe for trial in TRIALS]


def test_infinite_damage_survives(tmp_path: Path) -> None:
    report_data(sensitivity=Sensitivity({NAMES[0]: math.inf})).save(tmp_path)
    assert ReportData.load(tmp_path).sensitivity.damage == {NAMES[0]: math.inf}


def test_for_the_hub_the_texts_are_gone() -> None:
    data = report_data()
    assert "tries" in str(data.to_dict())
    assert "tries" not in str(data.for_hub().to_dict())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "Cannot read"),
        ("[1]", "Not a report of a search"),
        ('{"format": "nc_trainer report", "version": 2}', "expected format 'nc_trainer report', version 1"),
        ('{"format": "nc_trainer report", "version": 1}', "incomplete or damaged"),
    ],
    ids=["empty", "another shape", "newer", "incomplete"],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(NCTrainerError, match=said):
        ReportData.load(tmp_path)


def test_without_a_file_it_says_where_one_would_come_from(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match=r"what `trainer.save_model.*` writes after `quantize"):
        ReportData.load(tmp_path)
