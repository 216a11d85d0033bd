"""An int8 model of ours as a W8A8 directory for the package compressed-tensors, and for vLLM."""

import copy
import dataclasses
import logging
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from torch import Tensor, nn
from transformers import PreTrainedModel

from nc_trainer.config.recipe import Precision, Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.hub.compressed_tensors.scheme import w8a8_config
from nc_trainer.hub.files import weight_files
from nc_trainer.hub.quantizer import recipe_of
from nc_trainer.hub.transformers_versions import keep_label_names, tied_keys
from nc_trainer.int8.nn import Int8Embedding, Int8Linear

logger = logging.getLogger(__name__)

RECIPE_KEY = "nc_trainer_recipe"
# vLLM computes these in one matrix product each, and refuses a model in which they are not alike.
FUSED_BY_VLLM = (("q_proj", "k_proj", "v_proj"), ("query", "key", "value"), ("gate_proj", "up_proj"))


def save_compressed_tensors(model: PreTrainedModel, directory: Path, max_shard_size: str = "5GB") -> None:
    """Write config.json and the weights; other files in `directory` stay, weights that are there already do not.

    The int8 codes and scales are the same as in our own format. int8 embeddings, for which compressed-tensors has no
    counterpart, become the float values of their codes.

    Args:
        model: int8, quantized here or loaded.
        directory: which exists.
        max_shard_size: of one file.

    Raises:
        QuantizationError: the model is not int8, or an int8 module is no `nn.Linear` in the float model.
    """
    recipe = recipe_of(model)
    if recipe is None:
        raise QuantizationError("compressed-tensors: the model is not int8; quantize it first.")
    skeleton = _skeleton(model)
    _check_kinds(skeleton, recipe)
    _warn_of_vllm(recipe)
    for path in weight_files(directory):
        path.unlink()
    (directory / "model.safetensors.index.json").unlink(missing_ok=True)
    is_untied = _has_int8_output(skeleton, recipe)
    tensors = _tensors(model)
    tensors = _each_its_own(tensors if is_untied else _without_tied(tensors, tied_keys(model)))
    save_torch_state_dict(tensors, str(directory), max_shard_size=max_shard_size)
    _save_config(model, skeleton, recipe, directory, is_untied)


def _skeleton(model: PreTrainedModel) -> PreTrainedModel:
    """The float model without weights."""
    config = copy.deepcopy(model.config)
    del config.quantization_config
    with torch.device("meta"):
        return type(model)(config)


def _check_kinds(skeleton: nn.Module, recipe: Recipe) -> None:
    int8 = [name for name, value in recipe.modules.items() if value is Precision.INT8_DYNAMIC]
    modules = dict(skeleton.named_modules())
    others = [name for name in int8 if type(modules.get(name)) is not nn.Linear]
    if others:
        raise QuantizationError(
            f"compressed-tensors holds int8 weights of nn.Linear only, not of {', '.join(others[:3])}, which this "
            "model has: save it in our own format, or keep them in float (`op_wise`)."
        )
    if recipe.float_columns:
        names = ", ".join(list(recipe.float_columns)[:3])
        raise QuantizationError(
            f"compressed-tensors has no layers with a few columns in float, as {names} here: save the model in our "
            "own format, or quantize it with `quantization.recipes.float_columns: false`."
        )


def _warn_of_vllm(recipe: Recipe) -> None:
    for group in FUSED_BY_VLLM:
        mixed = re.compile(rf"(.*)\.({'|'.join(group)})$")
        found: dict[str, set[bool]] = {}
        for name, value in recipe.modules.items():
            if match := mixed.match(name):
                found.setdefault(match[1], set()).add(value is Precision.FLOAT)
        for parent in (name for name, kinds in found.items() if len(kinds) > 1):
            logger.warning("vLLM refuses %s: of %s some are int8 and some float.", parent, ", ".join(group))


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    modules = dict(model.named_modules(remove_duplicate=False))
    tensors = {}
    for key, value in model.state_dict().items():
        name, _, leaf = key.rpartition(".")
        module = modules[name]
        if isinstance(module, Int8Embedding):
            if leaf == "qweight":
                tensors[f"{name}.weight"] = module.weight.to(module.float_dtype)
        elif isinstance(module, Int8Linear) and leaf != "bias":
            is_codes = leaf == "qweight"
            tensors[f"{name}.{'weight' if is_codes else 'weight_scale'}"] = value if is_codes else value.unsqueeze(1)
        else:
            tensors[key] = value
    return tensors


def _has_int8_output(skeleton: PreTrainedModel, recipe: Recipe) -> bool:
    """Whether an output layer is int8: then it has codes of its own, and nothing is tied to it any more."""
    output = skeleton.get_output_embeddings()
    return any(module is output for name, module in skeleton.named_modules() if name in recipe.quantized)


def _without_tied(tensors: dict[str, Tensor], tied: set[str]) -> dict[str, Tensor]:
    """Without the keys that loading ties to another that is there."""
    kept = {value.data_ptr() for key, value in tensors.items() if key not in tied}
    return {key: value for key, value in tensors.items() if key not in tied or value.data_ptr() not in kept}


def _each_its_own(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What still shares memory is copied: safetensors knows no sharing."""
    seen: set[int] = set()
    owned = {}
    for key, value in tensors.items():
        owned[key] = value.clone() if value.data_ptr() in seen else value.contiguous()
        seen.add(value.data_ptr())
    return owned


def _save_config(
    model: PreTrainedModel, skeleton: PreTrainedModel, recipe: Recipe, directory: Path, is_untied: bool
) -> None:
    config = copy.deepcopy(model.config)
    config.quantization_config = w8a8_config(_ignored(skeleton.named_modules(), recipe))
    setattr(config, RECIPE_KEY, _without_int8_embeddings(recipe).to_dict())
    if is_untied:
        config.tie_word_embeddings = False
    config.architectures = [type(model).__name__]
    config.save_pretrained(directory)
    keep_label_names(directory, model.config)


def _ignored(modules: Iterable[tuple[str, nn.Module]], recipe: Recipe) -> list[str]:
    """Linear layers that stay in float, also those of subclasses, which the target `Linear` would cover."""
    return [name for name, module in modules if isinstance(module, nn.Linear) and name not in recipe.quantized]


def _without_int8_embeddings(recipe: Recipe) -> Recipe:
    kept = {name: value for name, value in recipe.modules.items() if value is not Precision.INT8_WEIGHT_ONLY}
    return dataclasses.replace(recipe, modules=kept)
