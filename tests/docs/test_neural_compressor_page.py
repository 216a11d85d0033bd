"""The code of docs/neural_compressor.md runs as it stands."""

import re
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny import tiny_bert, tiny_trainer

from nc_trainer.int8.quantize import is_int8

PAGE = (Path(__file__).parents[2] / "docs" / "neural_compressor.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_both_examples_give_a_saved_int8_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf.yaml").write_text("tuning:\n  accuracy_criterion:\n    absolute: 0.5\n")
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    exec(BLOCKS[0], first)
    exec(BLOCKS[1], second)
    model = tiny_bert()
    found = [
        first["quantized"](model, tiny_trainer(tmp_path, model), tmp_path / "first"),
        second["quantized"](tiny_bert(), lambda model: 0.9, tmp_path / "second"),
    ]
    for q_model, name in zip(found, ("first", "second"), strict=True):
        assert q_model.result.outcome == "met"
        assert is_int8(q_model.model)
        assert (tmp_path / name / "model.safetensors").exists()


@pytest.mark.parametrize("line", re.findall(r"\| `(from nc_trainer[^`]*)` \|", PAGE))
def test_each_import_works(line: str) -> None:
    exec(line, {})
