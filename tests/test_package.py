"""What is installed is what the package holds."""

from importlib.metadata import EntryPoint

import pytest
from helpers.markdown_blocks import ROOT
from setuptools import Distribution

HELD = {path for path in (ROOT / "nc_trainer").rglob("*") if path.is_file() and "__pycache__" not in path.parts}


@pytest.fixture
def distribution(monkeypatch: pytest.MonkeyPatch) -> Distribution:
    monkeypatch.chdir(ROOT)
    found = Distribution({"script_name": "setup.py"})
    found.parse_config_files()
    return found


def test_every_module_and_every_other_file_is_installed(distribution: Distribution) -> None:
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    others = [f"{folder}/{name}" for _, folder, _, names in build.data_files for name in names]
    assert {(ROOT / name).resolve() for name in (*build.get_source_files(), *others)} == HELD


def test_every_command_leads_to_a_function(distribution: Distribution) -> None:
    for script in distribution.entry_points["console_scripts"]:
        name, _, place = script.partition("=")
        assert callable(EntryPoint(name.strip(), place.strip(), "console_scripts").load())
