"""The float model as an ONNX file, made once for each model."""

import copy
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from peers.interface import Task

INPUTS = ("input_ids", "attention_mask")


class Logits(nn.Module):
    """The model as a function of two tensors that gives one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The logits, [rows, labels]."""
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def onnx_file(task: Task) -> Path:
    """The exported model, with any number of rows and tokens."""
    path = task.scratch / "model.onnx"
    if not path.exists():
        export(task.model, path)
    return path


def export(model: PreTrainedModel, path: Path) -> None:
    """Export by tracing, with attention spelt out: ONNX Runtime fuses that form and no other.

    OpenVINO is as fast from this file as from the torch model or from a file that torch.export made.
    """
    traced = copy.deepcopy(model)
    traced.set_attn_implementation("eager")
    example = torch.randint(1000, 2000, (2, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Logits(traced).eval(),
            (example, torch.ones_like(example)),
            path,
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_axes={name: {0: "rows", 1: "tokens"} for name in INPUTS},
            opset_version=17,
            dynamo=False,
        )
