"""Finding and replacing modules of a model by name, whatever other names they have."""

from torch import nn

from nc_trainer.errors import QuantizationError


def submodule(model: nn.Module, name: str) -> nn.Module:
    """The module of this name.

    Raises:
        QuantizationError: there is none.
    """
    try:
        return model.get_submodule(name)
    except AttributeError:
        raise QuantizationError(f"The recipe names `{name}`, which {type(model).__name__} does not have.") from None


def names_of(model: nn.Module, module: nn.Module) -> list[str]:
    """Every name under which `module` stands in the model."""
    return [name for name, other in model.named_modules(remove_duplicate=False) if other is module]


def place(model: nn.Module, names: list[str], module: nn.Module) -> None:
    """Put `module` under each of the names."""
    for name in names:
        model.set_submodule(name, module)
