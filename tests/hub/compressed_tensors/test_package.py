"""The package compressed-tensors itself, through plain transformers."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.tiny import tiny_bert
from transformers import AutoModelForSequenceClassification

from nc_trainer import OptimizedModel, save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

pytest.importorskip("compressed_tensors", reason="needs the package compressed-tensors")
WITHOUT_US = """
import sys, torch
from transformers import AutoModelForSequenceClassification
model, info = AutoModelForSequenceClassification.from_pretrained(
    sys.argv[1], dtype=torch.float32, output_loading_info=True
)
assert not info["missing_keys"] and not info["unexpected_keys"], info
with torch.no_grad():
    torch.save(model(input_ids=torch.tensor([[5, 6, 7, 8]])).logits, sys.argv[2])
assert "nc_trainer" not in sys.modules
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.Tensor, torch.Tensor]:
    """The directory, the logits of the int8 model and of its float model."""
    directory = tmp_path_factory.mktemp("w8a8")
    model = tiny_bert()
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        recipe = full_recipe(model).with_fallbacks(["bert.encoder.layer.1.output.dense"])
        ModuleSwapper(model).apply(recipe)
        attach(model, recipe)
        save_for_huggingface_upstream(model, None, directory, save_format="compressed-tensors")
        return directory, model(input_ids=ids).logits, before


def test_transformers_loads_it_without_nc_trainer(
    saved: tuple[Path, torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    directory, int8, before = saved
    subprocess.run([sys.executable, "-c", WITHOUT_US, str(directory), str(tmp_path / "out")], check=True)
    found = torch.load(tmp_path / "out")
    error = (int8 - before).abs().max()
    assert (found - before).abs().max() < 2 * error  # its activations take the code -128 too


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_the_package_saves_runs_here(saved: tuple[Path, torch.Tensor, torch.Tensor], tmp_path: Path) -> None:
    directory, int8, _ = saved
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32)
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(
            OptimizedModel.from_pretrained(tmp_path)(input_ids=torch.tensor([[5, 6, 7, 8]])).logits, int8
        )
