"""Many classes, each quantized here and all of them loaded in one fresh process."""

import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from helpers.families.classes import Classifier
from helpers.families.visit import Finding, visit

TESTS = Path(__file__).parents[2]


def walk(classifiers: Iterable[Classifier]) -> list[Finding]:
    """What is found of each class, in the order given."""
    with tempfile.TemporaryDirectory() as root, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # old families use what transformers has deprecated
        found = [visit(each, Path(root) / each.name) for each in classifiers]
        faults = _faults_of_loading(root)
    return [replace(each, faults=(*each.faults, *faults.get(each.classifier.name, []))) for each in found]


def _faults_of_loading(root: str) -> dict[str, list[str]]:
    command = [sys.executable, "-m", "helpers.families.reload", root]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Loading the models of the walk failed:\n{done.stderr[-2000:]}")
    faults: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return faults
