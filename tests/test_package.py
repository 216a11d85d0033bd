"""What is installed is what the package holds."""

import subprocess
import sys
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


IMPORT = """
import sys
from transformers import Trainer
known = set(sys.modules)
import nc_trainer
print(*set(sys.modules) - known)
"""


def test_an_import_of_the_package_loads_nothing_large_beside_what_trainer_does() -> None:
    """`scipy.stats` alone takes a tenth of the time; `scipy` loads it when it is asked for."""
    run = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, check=True, capture_output=True, text=True)
    not_needed_by_all = {"scipy.stats", "sklearn", "matplotlib", "optuna", "shap", "ray", "onnx", "openvino"}
    assert not_needed_by_all & set(run.stdout.split()) == set()
