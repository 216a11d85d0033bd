"""The recipe as the `quantization_config` of a model's config.json."""

from typing import Any

from transformers.quantizers import register_quantization_config
from transformers.utils.quantization_config import QuantizationConfigMixin

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import CheckpointError

QUANT_METHOD = "nc_int8"


@register_quantization_config(QUANT_METHOD)
class NCInt8Config(QuantizationConfigMixin):
    """What `config.json` holds under `quantization_config`: `quant_method` and the keys of `Recipe.to_dict()`.

    Raises:
        CheckpointError: a key is missing or unknown, or the format is newer than this library.
    """

    def __init__(self, quant_method: str = QUANT_METHOD, **recipe: Any) -> None:
        if quant_method != QUANT_METHOD:
            raise CheckpointError(f"quantization_config: quant_method {quant_method!r}, expected {QUANT_METHOD!r}.")
        self.quant_method = quant_method
        self.__dict__.update(Recipe.from_dict(recipe).to_dict())

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "NCInt8Config":
        """The config that describes this recipe."""
        return cls(**recipe.to_dict())

    @property
    def recipe(self) -> Recipe:
        """The recipe that this config describes."""
        return Recipe.from_dict({key: value for key, value in self.to_dict().items() if key != "quant_method"})
