"""Every script merges adapters where its options say so, before it looks at the model."""

from pathlib import Path

import pytest
from helpers.example_scripts import example

SCRIPTS = {
    "text-classification": "run_glue_tune",
    "question-answering": "run_squad_tune",
    "token-classification": "run_ner_tune",
    "multiple-choice": "run_swag_tune",
    "seq2seq": "run_seq2seq_tune",
}


@pytest.mark.parametrize("base", ["", " elsewhere"], ids=["the named base", "another base"])
@pytest.mark.parametrize("folder", SCRIPTS)
def test_adapters_are_looked_for(
    folder: str, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lora").mkdir()
    (tmp_path / "rows.json").write_text("[]")
    options = f"--model_name_or_path lora --merge_adapters{base} --validation_file rows.json --tune --no_cuda"
    with pytest.raises(SystemExit, match=r"lora holds no PEFT adapters"):
        example(folder, SCRIPTS[folder])(f"{options} --output_dir out")
