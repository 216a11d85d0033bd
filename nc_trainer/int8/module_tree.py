"""Finding and replacing modules of a model by name, whatever other names they have.

A projection that the model keeps in a bare parameter counts as a module, see `int8.nn.Projection`. While it is
in float the model holds the parameter itself, so that its keys and its optimizer are as transformers made them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.nn import Projection, projections_of


def named_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module by its first name, and after the module that holds it every projection in a bare parameter."""
    for name, module in model.named_modules():
        yield name, module
        for leaf, projection in projections_of(module).items():
            yield f"{name}.{leaf}" if name else leaf, projection


def submodule(model: nn.Module, name: str) -> nn.Module:
    """The module of this name.

    Raises:
        QuantizationError: there is none.
    """
    try:
        parent, leaf = _parent_and_leaf(model, name)
        projection = projections_of(parent).get(leaf)
        return model.get_submodule(name) if projection is None else projection
    except AttributeError:
        raise QuantizationError(f"The recipe names `{name}`, which {type(model).__name__} does not have.") from None


def names_of(model: nn.Module, module: nn.Module) -> list[str]:
    """Every name under which `module` stands in the model."""
    if isinstance(module, Projection):
        return [name for name, other in model.named_parameters(remove_duplicate=False) if other is module.weight]
    return [name for name, other in model.named_modules(remove_duplicate=False) if other is module]


def repeated_keys(model: nn.Module) -> set[str]:
    """Keys of the state dict under which tensors stand again, because their module has had another name before."""
    first = {name for name, _ in model.named_modules()}
    again = [name for name, _ in model.named_modules(remove_duplicate=False) if name not in first]
    return {key for key in model.state_dict() if key.rpartition(".")[0] in again} if again else set()


def place(model: nn.Module, names: Iterable[str], module: nn.Module) -> None:
    """Put `module` under each of the names."""
    for name in names:
        parent, leaf = _parent_and_leaf(model, name)
        if isinstance(module, Projection):
            _put_parameter(parent, leaf, module)
        else:
            _put_module(parent, leaf, module)


@contextmanager
def hookable(model: nn.Module, names: Iterable[str]) -> Iterator[dict[str, nn.Module]]:
    """The modules of these names, all of them such that the hooks of each are called."""
    modules = {name: submodule(model, name) for name in names}
    projections = {name: module for name, module in modules.items() if isinstance(module, Projection)}
    for name, projection in projections.items():
        _put_module(*_parent_and_leaf(model, name), projection)
    try:
        yield modules
    finally:
        for name, projection in projections.items():
            place(model, [name], projection)


def _parent_and_leaf(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    parent, _, leaf = name.rpartition(".")
    return model.get_submodule(parent), leaf


def _put_module(parent: nn.Module, leaf: str, module: nn.Module) -> None:
    if isinstance(getattr(parent, leaf), nn.Parameter):  # torch does not replace it
        delattr(parent, leaf)
    setattr(parent, leaf, module)


def _put_parameter(parent: nn.Module, leaf: str, projection: Projection) -> None:
    """Where it was: optimizers and checkpoints count parameters in their order."""
    setattr(parent, leaf, projection.weight)
    for name in projection.followers:
        follower = getattr(parent, name)
        if isinstance(follower, nn.Parameter):
            delattr(parent, name)
            setattr(parent, name, follower)
