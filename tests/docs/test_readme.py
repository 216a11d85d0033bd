"""The Python of the README runs, in order, in a directory where `make demo` has run."""

import re
from pathlib import Path

import pytest

from nc_trainer.demo import run
from nc_trainer.demo.train import Size
from nc_trainer.quantize import is_int8

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_first_block_is_short() -> None:
    assert len(BLOCKS[0].splitlines()) <= 15


def test_the_blocks_run_after_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run("demo_output", Size(layers=1, hidden=16, heads=2, intermediate=16, epochs=1), train_rows=60, dev_rows=20)
    capsys.readouterr()
    names: dict[str, object] = {"__name__": "readme"}
    exec(compile(BLOCKS[0], "README.md", "exec"), names)
    assert "Outcome:" in capsys.readouterr().out
    exec(compile(BLOCKS[1], "README.md", "exec"), names)
    assert is_int8(names["model"])
