"""Files as Neural Compressor wrote them, made without it: torch's quantized tensors under the keys of its modules.

`../shared/legacy_inc` beside the checkout holds directories that version 2.6 itself wrote; these have the same keys.
"""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn
from transformers import PreTrainedModel

WRITTEN_BY_2_6 = Path(__file__).resolve().parents[2].parent / "shared" / "legacy_inc"
LAYOUTS = ("upstream", "2.x", "1.x")
needs_written_by_2_6 = pytest.mark.skipif(
    not WRITTEN_BY_2_6.is_dir(), reason="needs directories that Neural Compressor 2.6 wrote, ../shared/legacy_inc"
)


def int8_rows(weight: Tensor) -> Tensor:
    """As torch's observer of symmetric weights has it: a row's largest value is 127.5 steps."""
    scale = weight.abs().amax(1) / 127.5
    return torch.quantize_per_channel(weight, scale, torch.zeros(len(weight), dtype=torch.long), 0, torch.qint8)


def uint8_rows(table: Tensor) -> Tensor:
    """As its observer of embeddings has it: from the smallest value to the largest, zero wherever it falls."""
    low, high = table.amin(1).clamp(max=0), table.amax(1).clamp(min=0)
    scale = (high - low).clamp(min=1e-6) / 255
    return torch.quantize_per_channel(table, scale.double(), (-low / scale).float(), 0, torch.quint8)


def legacy_state(
    model: PreTrainedModel,
    *,
    fallbacks: tuple[str, ...] = (),
    wrapped: tuple[str, ...] = (),
    static: bool = False,
    embeddings: bool = True,
) -> dict[str, Any]:
    """The state dict of `model` after Neural Compressor, with the modules `wrapped` inside a `.module`."""
    state: dict[str, Any] = OrderedDict(model.state_dict())
    for name, module in model.named_modules():
        inner = f"{name}.module" if name in wrapped else name
        if isinstance(module, nn.Embedding) and embeddings:
            del state[f"{name}.weight"]
            state[f"{inner}._packed_params.dtype"] = torch.quint8
            state[f"{inner}._packed_params._packed_weight"] = uint8_rows(module.weight.detach())
        if isinstance(module, nn.Linear) and name not in fallbacks:
            del state[f"{name}.weight"]
            if name not in wrapped:
                del state[f"{name}.bias"]
            state |= {f"{inner}.scale": torch.tensor(1.0), f"{inner}.zero_point": torch.tensor(0)}
            if static:
                state |= {f"{inner}_input_scale_0": torch.tensor(0.1), f"{inner}_input_zero_point_0": torch.tensor(9)}
            state[f"{inner}._packed_params.dtype"] = torch.qint8
            state[f"{inner}._packed_params._packed_params"] = int8_rows(module.weight.detach()), module.bias
    return state


def write_legacy(model: PreTrainedModel, directory: Path, layout: str, **changes: Any) -> None:
    """A directory in one of the LAYOUTS; only `upstream` has a config.json."""
    directory.mkdir(parents=True, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    state = legacy_state(model, **changes)
    configure = {"op": OrderedDict({("classifier", "Linear"): {"weight": {"dtype": "int8"}}}), "approach": "dynamic"}
    if layout == "1.x":
        torch.save(state, directory / "best_model_weights.pt")
        (directory / "best_configure.yaml").write_text(yaml.dump(configure))  # with tags that only Python can read
        return
    if layout == "upstream":
        model.config.save_pretrained(directory)
        _say_int8(directory / "config.json")
    name = "pytorch_model.bin" if layout == "upstream" else "best_model.pt"
    torch.save(state | {"best_configure": configure}, directory / name)


def _say_int8(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"torch_dtype": "int8"}))
