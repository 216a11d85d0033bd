"""A damaged int8 directory is one clear error or the same answers, and never hangs.

`make fuzz-directories` tries 10,000 of them.
"""

from pathlib import Path

import pytest
from helpers.fuzzed_directories import CLEAR, KINDS, SAME, Originals


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    return Originals(tmp_path_factory.mktemp("originals"))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_one_clear_error_or_the_same_answers(originals: Originals, tmp_path: Path, kind: str, seed: int) -> None:
    outcomes = originals.outcomes(kind, seed, tmp_path / "copy")
    assert {loader: found for loader, found in outcomes.items() if found not in (SAME, CLEAR)} == {}
