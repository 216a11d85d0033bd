"""Models that Neural Compressor 1.x and 2.x wrote, as int8 models of ours.

Their file is the state dict of a model with torch's quantized modules. Which modules are int8 is read from the
tensors, not from the `best_configure` beside them. What is calibrated for activations, scales and zero points, is left
out: activations are quantized here per token, as they come.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.errors import CheckpointError
from nc_trainer.hub.filled_model import fill
from nc_trainer.hub.foreign.kinds import state_file
from nc_trainer.hub.foreign.quantized_tensors import symmetric_rows
from nc_trainer.hub.foreign.torch_file import read_state
from nc_trainer.int8.module_tree import names_of, submodule
from nc_trainer.int8.quantize import quantizable_modules

# Where the classes of torch's versions keep a quantized weight, after the module's name.
PACKED = re.compile(
    r"\.(_packed_params\._packed_params|_packed_params\._packed_weight|_packed_params\.weight|weight)$"
)
# Calibrated scales and zero points, and what observers leave behind.
CALIBRATION = re.compile(
    r"(^|[._])(scale|zero_point)(_\d+)?$|\.(_packed_params\.)?dtype$|\.activation_post_process\b|\.weight_fake_quant\b"
    r"|\.(min_val|max_val|min_vals|max_vals|eps|fake_quant_enabled|observer_enabled|histogram)$"
)


@dataclass
class _State:
    """The tensors of a file: `quantized` by the names of their modules, `floats` by their own in the float model."""

    quantized: dict[str, Tensor] = field(default_factory=dict)
    floats: dict[str, Tensor] = field(default_factory=dict)


def load_neural_compressor(
    directory: Path, model: PreTrainedModel, *, int8_embeddings: bool = False
) -> PreTrainedModel:
    """Fill a float model of the right class and config from a directory of Neural Compressor, and make it int8.

    Linear layers keep their int8 codes. Fallbacks and all other modules are float.

    Args:
        directory: with `pytorch_model.bin`, `best_model.pt` or `best_model_weights.pt`.
        model: its weights are overwritten.
        int8_embeddings: whether its 8-bit embeddings, which have zero points, are quantized again to symmetric int8.
            That rounds them twice; float keeps the values that their codes stand for, in four times the bytes.

    Returns:
        `model`, with the recipe that says which modules are int8; `save_pretrained` writes our format.

    Raises:
        CheckpointError: the file is damaged or not safe to read, or does not fit the model.
    """
    path = state_file(directory)
    if path is None:
        raise CheckpointError(f"{directory} holds none of the files that Neural Compressor writes.")
    state = _sorted_by_meaning(read_state(path), model)
    if not state.quantized:
        raise CheckpointError(f"{path} holds no quantized tensors: it is a float model, load it as one.")
    recipe = _recipe(model, state, int8_embeddings)
    return fill(model, recipe, _tensors(model, recipe, state), path)


def _sorted_by_meaning(state: Mapping[str, Any], model: nn.Module) -> _State:
    modules = {name for name, _ in model.named_modules(remove_duplicate=False)}
    unsaved = {name for name, _ in model.named_buffers(remove_duplicate=False)} - set(model.state_dict())
    found = _State()
    for key, value in state.items():
        packed = PACKED.search(key)
        weight, bias = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        if packed and isinstance(weight, Tensor) and weight.is_quantized:
            name = _without_wrappers(key[: packed.start()], modules)
            found.quantized[name] = weight
            if bias is not None:
                found.floats[f"{name}.bias"] = bias.detach()
        elif isinstance(value, Tensor) and not CALIBRATION.search(key):
            name = _without_wrappers(key, modules)
            if name not in unsaved:
                found.floats.setdefault(name, value.detach())
    return found


def _without_wrappers(key: str, modules: set[str]) -> str:
    """The key without the `module` of each wrapper, unless the model has modules of that name itself."""
    kept: list[str] = []
    for part in key.split("."):
        if part != "module" or ".".join([*kept, part]) in modules:
            kept.append(part)
    return ".".join(kept)


def _recipe(model: nn.Module, state: _State, int8_embeddings: bool) -> Recipe:
    possible = quantizable_modules(model, embeddings=int8_embeddings)
    return Recipe({name: value if name in state.quantized else Precision.FLOAT for name, value in possible.items()})


def _tensors(model: nn.Module, recipe: Recipe, state: _State) -> dict[str, Tensor]:
    """What the int8 model's `load_state_dict` takes."""
    int8 = {alias for name in recipe.quantized for alias in names_of(model, submodule(model, name))}
    tensors = {key: value.float() if value.is_floating_point() else value for key, value in state.floats.items()}
    for name, weight in state.quantized.items():
        if name in int8:
            tensors[f"{name}.qweight"], tensors[f"{name}.scale"] = symmetric_rows(weight)
        else:
            tensors[f"{name}.weight"] = weight.dequantize()
    return tensors
