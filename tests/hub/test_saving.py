"""What is refused when a model is saved, and what a failure costs."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.tiny import tiny_bert, tiny_trainer
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from nc_trainer import OptimizedModel, SavingError, TuningConfig, save_for_huggingface_upstream
from nc_trainer.compat.common import Model
from nc_trainer.hub import attach
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

LOOSE = TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"absolute": 0.5}}})
IDS = torch.arange(1, 9)[None]


def int8(model: BertForSequenceClassification) -> BertForSequenceClassification:
    recipe = full_recipe(model)
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    return model


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS).logits
    return found


@pytest.fixture
def float_dir(tmp_path: Path) -> Path:
    tiny_bert().save_pretrained(tmp_path / "float")
    return tmp_path / "float"


@pytest.mark.parametrize("link", [False, True], ids=["by-name", "through-a-link"])
def test_the_float_model_that_it_came_from_is_not_overwritten(float_dir: Path, tmp_path: Path, link: bool) -> None:
    target = float_dir
    if link:
        target = tmp_path / "link"
        target.symlink_to(float_dir)
    before = {path.name: path.read_bytes() for path in float_dir.iterdir()}
    model = BertForSequenceClassification.from_pretrained(float_dir)
    trainer = tiny_trainer(tmp_path, model)
    trainer.quantize(LOOSE)
    for save in (
        lambda: trainer.save_model(str(target)),
        lambda: save_for_huggingface_upstream(model, None, target),
        lambda: Model(model).save(target),
    ):
        with pytest.raises(SavingError, match="holds the float model that this int8 model was made from"):
            save()
    assert {path.name: path.read_bytes() for path in float_dir.iterdir()} == before
    trainer.save_model()
    assert torch.equal(logits(OptimizedModel.from_pretrained(tmp_path / "out")), logits(model))


def test_an_int8_model_is_saved_where_it_was_loaded_from(tmp_path: Path) -> None:
    save_for_huggingface_upstream(int8(tiny_bert()), None, tmp_path)
    model = OptimizedModel.from_pretrained(tmp_path)
    save_for_huggingface_upstream(model, None, tmp_path, max_shard_size="20KB")
    assert not (tmp_path / "model.safetensors").exists()
    assert torch.equal(logits(OptimizedModel.from_pretrained(tmp_path)), logits(model))


@pytest.mark.parametrize("sizes", [("5GB", "20KB"), ("20KB", "5GB"), ("20KB", "40KB")], ids="-over-".join)
def test_the_last_model_that_was_saved_is_the_one_that_is_loaded(tmp_path: Path, sizes: tuple[str, str]) -> None:
    (tmp_path / "adapter_model.safetensors").write_text("the user's")
    old, new = int8(tiny_bert()), int8(tiny_bert(initializer_range=0.3))
    save_for_huggingface_upstream(old, None, tmp_path, max_shard_size=sizes[0])
    save_for_huggingface_upstream(new, None, tmp_path, max_shard_size=sizes[1])
    for load in (OptimizedModel, AutoModelForSequenceClassification):
        assert torch.equal(logits(load.from_pretrained(tmp_path)), logits(new))
    assert (tmp_path / "adapter_model.safetensors").read_text() == "the user's"


FULL = """
import resource, signal, sys
from helpers.tiny import tiny_bert, tiny_tokenizer
from nc_trainer import OptimizedModel, SavingError, save_for_huggingface_upstream

model = OptimizedModel.from_pretrained(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    save_for_huggingface_upstream(model, tiny_tokenizer(), sys.argv[1])
except SavingError as error:
    print("refused", error)
"""


@pytest.mark.parametrize("size", [100, 2000, 20_000], ids=["config", "tokenizer", "weights"])
def test_a_file_that_cannot_be_written_is_one_error_and_leaves_the_old_model(tmp_path: Path, size: int) -> None:
    assert hasattr(resource, "RLIMIT_FSIZE")
    save_for_huggingface_upstream(int8(tiny_bert()), None, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    command = [sys.executable, "-c", FULL, str(tmp_path), str(size)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("refused The model could not be written to"), done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
