"""Does a saved model, loaded in a new process, return the logits that it returned before it was saved?"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedModel

import nc_trainer  # noqa: F401 - teaches AutoModel the int8 format

SAME, DIFFERENT = 0, 3  # 1 is Python's own exit status for an exception
CHILD = "import sys; from nc_trainer.cli.demo.reload import compare; sys.exit(compare(*sys.argv[1:]))"


def check_in_new_process(model: PreTrainedModel, directory: Path, batches: Sequence[Mapping[str, Tensor]]) -> bool:
    """Whether the model saved in `directory` gives the logits of `model` on `batches`, bit for bit.

    Raises:
        RuntimeError: the new process could not load or run the model; with what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        expected = Path(folder, "logits.safetensors")
        save_file(_inputs_and_logits(model, batches), expected)
        command = [sys.executable, "-c", CHILD, str(directory), str(expected)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (SAME, DIFFERENT):
        raise RuntimeError(f"Loading {directory} in a new process failed:\n{done.stderr}")
    return done.returncode == SAME


def compare(directory: str, expected: str) -> int:
    """Load the model, repeat the batches of the file `expected`; `SAME` or `DIFFERENT`."""
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    wanted = load_file(expected)
    found = _inputs_and_logits(model, _batches(wanted))
    return SAME if all(torch.equal(found[key], wanted[key]) for key in wanted) else DIFFERENT


@torch.inference_mode()
def _inputs_and_logits(model: PreTrainedModel, batches: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Every batch's tensors and its logits, under keys such as `0.input_ids` and `0.logits`."""
    model.eval()
    tensors: dict[str, Tensor] = {}
    for number, batch in enumerate(batches):
        named = {**batch, "logits": model(**batch).logits}
        tensors |= {f"{number}.{name}": tensor.clone() for name, tensor in named.items()}
    return tensors


def _batches(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The inputs back, in order, without the logits."""
    batches: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        if name != "logits":
            batches.setdefault(int(number), {})[name] = tensor
    return [batches[number] for number in sorted(batches)]
