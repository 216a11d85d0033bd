"""The transformers model that a trainer's model contains: sentence-transformers puts one into a list of modules."""

from torch import nn
from transformers import PreTrainedModel

from nc_trainer.errors import QuantizationError


def is_container(model: object) -> bool:
    """Whether `model` is one of sentence-transformers: a CrossEncoder, a SentenceTransformer, a SparseEncoder.

    They say what they contain in the property `transformers_model`; the package itself is not asked, nor imported.
    """
    is_plain = not isinstance(model, nn.Module) or isinstance(model, PreTrainedModel)
    return not is_plain and hasattr(type(model), "transformers_model")


def contained_model(model: nn.Module) -> nn.Module:
    """The transformers model in a container, and any other model itself.

    Raises:
        QuantizationError: the container holds several transformers models, or none.
    """
    if not is_container(model):
        return model
    found = [module for module in model.modules() if isinstance(module, PreTrainedModel)]
    inside = {module for outer in found for module in outer.modules() if module is not outer}
    outermost = [module for module in found if module not in inside]
    if len(outermost) != 1:
        names = ", ".join(type(module).__name__ for module in outermost)
        raise QuantizationError(
            f"The {type(model).__name__} contains {len(outermost)} transformers models ({names or 'none'}), "
            "expected one: load it with `backend='torch'`, without a Router and with a transformers model in it."
        )
    return outermost[0]
