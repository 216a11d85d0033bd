"""The transformers plug-in: `from_pretrained` and `save_pretrained` of int8 models."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.quantizers import HfQuantizer, register_quantizer

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import CheckpointError
from nc_trainer.hub.checkpoint import check_loaded, check_missing, check_stored, check_unexpected, read_headers
from nc_trainer.hub.config import QUANT_METHOD, NCInt8Config
from nc_trainer.hub.digest import check_digest
from nc_trainer.hub.initialization import initialize_as_before, initialize_as_float
from nc_trainer.hub.own_names import save_as_before, save_in_own_names
from nc_trainer.hub.transformers_versions import local_checkpoint_files, tied_keys, untie
from nc_trainer.int8.module_tree import named_modules, repeated_keys
from nc_trainer.int8.nn import Int8Module
from nc_trainer.int8.quantize import finish_loaded, swap_in_empty_modules

logger = logging.getLogger(__name__)


@register_quantizer(QUANT_METHOD)
class NCInt8Quantizer(HfQuantizer):
    """Swaps empty int8 modules into the skeleton that `from_pretrained` builds, and checks what fills them.

    The checkpoint has to hold exactly what the recipe and the config ask for. Its headers are compared before
    anything is read; where 4.57 loads from the hub, two of its own hooks report missing and unexpected keys instead.
    """

    requires_calibration = True
    quantization_config: NCInt8Config
    float_names: Mapping[str, Any] = MappingProxyType({})  # how the float model's names are saved, see `own_names`

    def validate_environment(self, *args: Any, **kwargs: Any) -> None:
        """Refuse devices that have no int8 engine."""
        device_map = kwargs.get("device_map")
        places = device_map.values() if isinstance(device_map, dict) else [device_map]
        if any(str(place) not in ("None", "cpu", "auto") for place in places):
            raise CheckpointError(
                f"int8 models run on the CPU: device_map={device_map!r} is not possible, leave it out."
            )

    def update_dtype(self, dtype: torch.dtype | None) -> torch.dtype:
        """The recipe names the float dtype, to which the float parts are cast when all is loaded.

        Until then everything is fp32: scales and biases would lose bits in another dtype, and so would what a model
        computes when it is built.
        """
        wanted: torch.dtype = getattr(torch, self.quantization_config.recipe.float_dtype)
        if dtype not in (None, wanted, torch.float32):
            logger.warning("This int8 model keeps its float parts in %s; dtype=%s is ignored.", wanted, dtype)
        return torch.float32

    def _process_model_before_weight_loading(
        self, model: PreTrainedModel, checkpoint_files: Sequence[str] | None = None, **kwargs: Any
    ) -> PreTrainedModel:
        recipe, prefix = _recipe_for(model, self.quantization_config.recipe)
        initialize_as_float(model, swap_in_empty_modules(model, recipe))
        untie(model, lambda key: isinstance(model.get_submodule(key.rpartition(".")[0]), Int8Module))
        files = checkpoint_files or local_checkpoint_files(kwargs.get("config"))
        digest = self.quantization_config.take_digest()
        if files:
            self._check_files(model, files, prefix)
            if digest is not None:
                check_digest(files, digest)
        return model

    def _check_files(self, model: PreTrainedModel, files: Sequence[str], prefix: str) -> None:
        stored = read_headers(files)
        expected = {prefix + key for key in model.state_dict()}
        check_missing(sorted(expected - set(stored) - {prefix + key for key in tied_keys(model)}))
        if not prefix:
            self.update_unexpected_keys(model, sorted(set(stored) - expected - tied_keys(model)))
        check_stored(model, stored, prefix)

    def update_weight_conversions(self, weight_conversions: list[Any], model: PreTrainedModel) -> list[Any]:
        """Called by transformers 5 with the rules for the names in float checkpoints: ours are the model's own."""
        return []

    def update_missing_keys(self, model: PreTrainedModel, missing_keys: list[str], prefix: str) -> list[str]:
        """Called by transformers 4.57 with the keys that the checkpoint lacks."""
        repeated = repeated_keys(model)
        lacking = [key for key in missing_keys if key not in repeated]
        check_missing(lacking)
        return lacking

    def update_unexpected_keys(self, model: PreTrainedModel, unexpected_keys: list[str]) -> list[str]:
        """Called by transformers 4.57 with the keys that the model has no place for."""
        if type(model).__name__ in (model.config.architectures or []):
            check_unexpected(unexpected_keys)
        return unexpected_keys

    def _process_model_after_weight_loading(self, model: PreTrainedModel, **kwargs: Any) -> PreTrainedModel:
        initialize_as_before(model)
        check_loaded(model)
        finish_loaded(model, _recipe_for(model, self.quantization_config.recipe)[0])
        save_in_own_names(model)
        own = getattr(model.config, "quantization_config", None)
        if isinstance(own, NCInt8Config):  # 4.57 gives the model a copy of ours
            own.take_digest()
        return model

    def is_serializable(self, safe_serialization: bool | None = None) -> bool:
        """int8 codes and scales are plain tensors."""
        return True

    @property
    def is_trainable(self) -> bool:
        """Trainer's constructor refuses, even for evaluation, models whose quantizer says no here.

        The int8 modules themselves refuse to be trained, at the first forward pass in training mode.
        """
        return True

    @property
    def is_qat_trainable(self) -> bool:
        """See `is_trainable`."""
        return True


def attach(model: PreTrainedModel, recipe: Recipe) -> None:
    """Give a model quantized in this process what one loaded from an int8 directory has.

    From here on `save_pretrained` writes the int8 directory.
    """
    config = NCInt8Config.from_recipe(recipe)
    quantizer = NCInt8Quantizer(config, pre_quantized=True)
    quantizer.float_names = save_in_own_names(model)
    setattr(model, "hf_quantizer", quantizer)
    model.config.quantization_config = config
    setattr(model, "quantization_method", QUANT_METHOD)
    setattr(model, "is_quantized", True)


@contextmanager
def detached(model: PreTrainedModel) -> Iterator[None]:
    """Take away what `attach` gave, for as long as the model is in float: saving writes a float directory."""
    recipe = recipe_of(model)
    if recipe is None:
        yield
        return
    save_as_before(model, model.hf_quantizer.float_names)
    for name in ("hf_quantizer", "quantization_method", "is_quantized"):
        delattr(model, name)
    del model.config.quantization_config
    try:
        yield
    finally:
        attach(model, recipe)


def recipe_of(model: object) -> Recipe | None:
    """The recipe of an int8 model, loaded or quantized here; None for any other."""
    config = getattr(getattr(model, "config", None), "quantization_config", None)
    return config.recipe if isinstance(config, NCInt8Config) else None


def _recipe_for(model: PreTrainedModel, recipe: Recipe) -> tuple[Recipe, str]:
    """The recipe in the names of `model`, and the prefix of the checkpoint's keys.

    A bare base model (`AutoModel`) lacks the prefix that its names have in a model with a head, and the head. Of some
    families it lacks the pooler too; a module that is missing for another reason leaves its float tensors missing.
    A model of another class than the one that was saved may read other rows.
    """
    if type(model).__name__ not in (model.config.architectures or []):
        recipe = replace(recipe, read_rows={})
    prefix = f"{model.base_model_prefix}."
    is_base = not hasattr(model, model.base_model_prefix)
    if not is_base or not any(name.startswith(prefix) for name in recipe.modules):
        return recipe, ""
    return recipe.without_prefix(prefix, {name for name, _ in named_modules(model)}), prefix
