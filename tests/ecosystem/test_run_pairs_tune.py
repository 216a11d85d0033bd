"""The sentence-transformers script, as it runs without options."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.markdown_blocks import ROOT

pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")

FOLDER = ROOT / "examples" / "sentence-transformers"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    return runpy.run_path(str(FOLDER / "run_pairs_tune.py"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cross-encoder", "embeddings"])
def test_it_trains_quantizes_and_loads(
    kind: str, script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script["main"](["--kind", kind, "--output_dir", str(tmp_path / "int8")])
    printed = capsys.readouterr().out
    assert "Outcome: met" in printed
    assert "Loaded again it gives the same bits" in printed


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("sentence1,score\na,1\n", "'sentence2'"),
        ("sentence1,sentence2,score\na,b,much\n", "could not convert string to float: 'much'"),
        ("sentence1,sentence2,score\na,b\n", "expected the columns"),
    ],
    ids=["a column is missing", "a word for a score", "a short row"],
)
def test_a_wrong_csv_is_one_message(content: str, error: str, script: Any, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(SystemExit, match=error):
        script["main"](["--model_name_or_path", str(tmp_path), "--pairs", str(tmp_path / "pairs.csv")])
