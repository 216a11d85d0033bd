"""`nc-trainer convert`: what other versions and Neural Compressor wrote becomes a directory of ours."""

from pathlib import Path

import pytest
import torch
from helpers.neural_compressor_files import write_legacy
from helpers.tiny import tiny_bert, tiny_tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from nc_trainer import OptimizedModel, Precision
from nc_trainer.cli import main
from nc_trainer.hub import recipe_of

pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
INPUTS = {"input_ids": torch.tensor([[5, 6, 7, 8]])}


def convert(*arguments: Path | str) -> int:
    return main(["convert", *map(str, arguments)])


def test_converts_without_a_config_by_the_float_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original = tiny_bert()
    write_legacy(original, tmp_path / "old", "1.x")
    original.save_pretrained(tmp_path / "float")
    tiny_tokenizer().save_pretrained(tmp_path / "float")

    assert convert(tmp_path / "old", tmp_path / "new", "--model", tmp_path / "float") == 0

    assert "14 modules in int8" in capsys.readouterr().out
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "new")
    expected = OptimizedModel.from_pretrained(tmp_path / "old", config=original.config)
    with torch.no_grad():
        assert torch.equal(model(**INPUTS).logits, expected(**INPUTS).logits)
    assert AutoTokenizer.from_pretrained(tmp_path / "new").pad_token == "[PAD]"


def test_int8_embeddings(tmp_path: Path) -> None:
    write_legacy(tiny_bert(), tmp_path / "old", "upstream")
    assert convert(tmp_path / "old", tmp_path / "new", "--int8_embeddings") == 0
    recipe = recipe_of(OptimizedModel.from_pretrained(tmp_path / "new"))
    assert recipe is not None
    assert recipe.modules["bert.embeddings.word_embeddings"] is Precision.INT8_WEIGHT_ONLY


def test_a_directory_of_ours_is_written_again(tmp_path: Path) -> None:
    write_legacy(tiny_bert(), tmp_path / "old", "upstream")
    convert(tmp_path / "old", tmp_path / "new")
    assert convert(tmp_path / "new", tmp_path / "newer") == 0
    first, second = (OptimizedModel.from_pretrained(tmp_path / name).state_dict() for name in ("new", "newer"))
    assert all(torch.equal(first[key], second[key]) for key in first | second)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("float", "is a float model: `nc-trainer quantize`"),
        ("absent", "is not a directory"),
        ("out", "is the source's own"),
    ],
)
def test_mistakes_are_one_line(source: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_bert().save_pretrained(tmp_path / "float")
    tiny_bert().save_pretrained(tmp_path / "out")
    assert convert(tmp_path / source, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nc-trainer: error: ")
    assert message in line
