"""The recipe as the `quantization_config` of a model's config.json."""

from typing import Any

from transformers.quantizers import register_quantization_config
from transformers.utils.quantization_config import QuantizationConfigMixin

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import CheckpointError
from nc_trainer.hub.config_digest import CONFIG_DIGEST
from nc_trainer.hub.digest import DIGEST

QUANT_METHOD = "nc_int8"


@register_quantization_config(QUANT_METHOD)
class NCInt8Config(QuantizationConfigMixin):
    """What `config.json` holds under `quantization_config`: `quant_method`, the keys of `Recipe.to_dict()`, digests.

    Those are of the weights and of config.json itself, see `nc_trainer.hub.digest` and `config_digest`. A model in
    memory has none: it may change.

    Raises:
        CheckpointError: a key is missing or unknown, or the format is newer than this library.
    """

    def __init__(self, /, quant_method: str = QUANT_METHOD, **recipe: Any) -> None:
        if quant_method != QUANT_METHOD:
            raise CheckpointError(f"quantization_config: quant_method {quant_method!r}, expected {QUANT_METHOD!r}.")
        self.quant_method = quant_method
        digests = {key: recipe.pop(key) for key in (DIGEST, CONFIG_DIGEST) if key in recipe}
        for key, digest in digests.items():
            if not isinstance(digest, str):
                raise CheckpointError(f"quantization_config: {key} is {digest!r}, expected a text.")
        self.__dict__.update(Recipe.from_dict(recipe).to_dict(), **digests)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "NCInt8Config":
        """The config that describes this recipe."""
        return cls(**recipe.to_dict())

    @property
    def recipe(self) -> Recipe:
        """The recipe that this config describes."""
        others = ("quant_method", DIGEST, CONFIG_DIGEST)
        return Recipe.from_dict({key: value for key, value in self.to_dict().items() if key not in others})

    def take_digest(self) -> str | None:
        """The digest of the weights, if there is one. The config has no digests any more then."""
        self.__dict__.pop(CONFIG_DIGEST, None)
        digest: str | None = self.__dict__.pop(DIGEST, None)
        return digest
