"""An int8 model compiled for torch alone: its logits in a process that has neither transformers nor nc_trainer."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.tiny import tiny_bert
from safetensors.torch import load_file, save_file
from torch import Tensor

from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import attach
from nc_trainer.hub.export import ExportSource, export_model, pt2_package
from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

INPUTS = ("input_ids", "attention_mask")
FRESH_PROCESS = """
import sys
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file

directory = Path(sys.argv[1])
torch.ops.load_library(str(directory / "nc_trainer_native.so"))
model = torch._inductor.aoti_load_package(str(directory / "model.pt2"))
batches = load_file(directory / "batches.safetensors")
names = sorted({name.split(".")[0] for name in batches})
logits = {name: model(batches[f"{name}.input_ids"], batches[f"{name}.attention_mask"]) for name in names}
save_file(logits, directory / "logits.safetensors")
assert not {"transformers", "nc_trainer"} & set(sys.modules)
"""


def source() -> ExportSource:
    model, int8 = tiny_bert(num_hidden_layers=1).eval(), tiny_bert(num_hidden_layers=1).eval()
    recipe = full_recipe(int8)
    ModuleSwapper(int8).apply(recipe)
    attach(int8, recipe)
    return ExportSource(model, int8, recipe, [batch(4, 12)], max_length=128)


def batch(rows: int, tokens: int) -> dict[str, Tensor]:
    """Rows of which every second one is half as long."""
    torch.manual_seed(rows)
    mask = torch.ones(rows, tokens, dtype=torch.long)
    mask[1::2, (tokens + 1) // 2 :] = 0
    return {"input_ids": torch.randint(2, 30, (rows, tokens)) * mask, "attention_mask": mask}


@pytest.mark.slow
@pytest.mark.skipif(native.unavailable_reason() is not None, reason="the native engine cannot run here")
def test_a_fresh_process_computes_the_logits_of_the_int8_model(tmp_path: Path) -> None:
    exported = source()
    run = export_model(exported, "pt2", tmp_path)
    batches = {f"{rows}x{tokens}": batch(rows, tokens) for rows, tokens in [(4, 12), (1, 1), (1, 32), (9, 7)]}
    save_file(
        {f"{name}.{key}": value for name, each in batches.items() for key, value in each.items()},
        tmp_path / "batches.safetensors",
    )
    command = [sys.executable, "-c", FRESH_PROCESS, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, logits in load_file(tmp_path / "logits.safetensors").items():
        with torch.no_grad():
            expected = exported.int8_model(**batches[name]).logits
        assert torch.equal(logits, run(batches[name]))
        torch.testing.assert_close(logits, expected, atol=1e-3, rtol=0)


def test_without_the_native_engine_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pt2_package.native, "unavailable_reason", lambda: "no compiler")
    with pytest.raises(NCTrainerError, match="made of the native engine's operators: no compiler"):
        export_model(source(), "pt2", tmp_path)
    assert list(tmp_path.iterdir()) == []
