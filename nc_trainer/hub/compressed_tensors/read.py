"""A W8A8 directory of compressed-tensors as an int8 model of ours. The package itself is not needed."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.errors import CheckpointError
from nc_trainer.hub.compressed_tensors.write import RECIPE_KEY
from nc_trainer.hub.files import weight_files
from nc_trainer.hub.filled_model import fill
from nc_trainer.int8.module_tree import names_of, submodule
from nc_trainer.int8.ops import INT8_MAX
from nc_trainer.int8.quantize import quantizable_modules

SCALE = ".weight_scale"
CALIBRATION = (".input_scale", ".input_zero_point", ".output_scale", ".output_zero_point")


def load_compressed_tensors(directory: Path, model: PreTrainedModel, float_dtype: str = "float32") -> PreTrainedModel:
    """Fill a float model of the right class and config from a W8A8 directory, and make it int8.

    Which modules are int8 is read from the tensors. The recipe is the one that we left in config.json, if we wrote it;
    otherwise nothing is fused, and `float_dtype` is what the rest computes in.

    Raises:
        CheckpointError: a file is damaged, or does not fit the model.
    """
    stored = _stored(directory)
    quantized = {key.removesuffix(SCALE) for key in stored if key.endswith(SCALE)}
    for name in sorted(quantized):
        if stored.get(f"{name}.weight", torch.empty(0)).dtype != torch.int8:
            raise CheckpointError(f"{directory}: {name}.weight has a scale and is not int8: the file is damaged.")
    recipe = _recipe(model, quantized, float_dtype)
    return fill(model, recipe, _tensors(model, recipe, stored, quantized), directory)


def _stored(directory: Path) -> dict[str, Tensor]:
    return {key: value for path in weight_files(directory) for key, value in _file(path).items()}


def _file(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path}: int8 models are read from safetensors files only; nothing is unpickled.")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or truncated ({error}). Copy or download it again.") from error


def _recipe(model: PreTrainedModel, quantized: set[str], float_dtype: str) -> Recipe:
    left = vars(model.config).pop(RECIPE_KEY, None)
    possible = quantizable_modules(model)
    modules = {name: value if name in quantized else Precision.FLOAT for name, value in possible.items()}
    recipe = Recipe(modules, float_dtype) if left is None else Recipe.from_dict(left)
    if set(recipe.quantized) != quantized & set(possible):
        raise CheckpointError("config.json and the tensors do not name the same int8 modules: one of them is damaged.")
    return recipe


def _tensors(model: nn.Module, recipe: Recipe, stored: dict[str, Tensor], quantized: set[str]) -> dict[str, Tensor]:
    int8 = {alias for name in recipe.quantized for alias in names_of(model, submodule(model, name))}
    tensors = {}
    for key, value in stored.items():
        name, _, leaf = key.rpartition(".")
        if key.endswith((SCALE, *CALIBRATION)) or name not in quantized:
            continue
        if leaf == "weight_zero_point":
            if value.any():
                raise CheckpointError(f"{key} is not zero, although the config says that weights are symmetric.")
        elif leaf != "weight":
            tensors[key] = value.float()
        else:
            scale = stored[f"{name}{SCALE}"].float().flatten().expand(len(value)).contiguous()
            if name in int8:
                tensors[f"{name}.qweight"], tensors[f"{name}.scale"] = value.clamp(min=-INT8_MAX), scale
            else:
                tensors[key] = value.float() * scale.unsqueeze(1)
    floats = {key: value for key, value in stored.items() if key.rpartition(".")[0] not in quantized}
    return tensors | {key: value.float() if value.is_floating_point() else value for key, value in floats.items()}
