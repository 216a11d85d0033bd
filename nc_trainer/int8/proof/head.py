"""Where the last encoder layer of a model ends: what follows is little work and decides much, so it stays float32."""

from collections.abc import Iterator, Sequence

from torch import nn

from nc_trainer.int8.proof.observe import Run


def head_of(model: nn.Module, runs: Sequence[Run]) -> tuple[str, tuple[str, ...]]:
    """The module in which the last layer ends, and the modules with tensors of their own that run only after it.

    Layers are the children of module lists in the base model. Where a layer runs several times, as in ALBERT, the
    smallest module around it that runs once is taken.

    Returns:
        Two empties where every probe shows something else, or nothing.
    """
    found = {_last_layer(model, run) for run in runs}
    last = found.pop() if len(found) == 1 else ""
    if not last:
        return "", ()
    after = [name for name, module in model.named_modules() if _has_tensors(module) and _runs_after(name, last, runs)]
    return last, tuple(after)


def _last_layer(model: nn.Module, run: Run) -> str:
    layers = [name for name in _layers(model) if name in run.ended]
    if not layers:
        return ""
    name = max(layers, key=lambda layer: run.ended[layer])
    while name and run.calls.get(name, 0) != 1:
        name = name.rpartition(".")[0]
    base = _base_prefix(model).rstrip(".")
    return "" if name == base else name


def _layers(model: nn.Module) -> Iterator[str]:
    base = _base_prefix(model)
    lists = {f"{name}." for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    for name, _ in model.named_modules():
        if name.startswith(base) and f"{name.rpartition('.')[0]}." in lists:
            yield name


def _base_prefix(model: nn.Module) -> str:
    base = getattr(model, "base_model", model)
    name = next((name for name, module in model.named_modules() if module is base), "")
    return f"{name}." if name else ""


def _runs_after(name: str, last: str, runs: Sequence[Run]) -> bool:
    """Whether it, or where it is not called by itself the module around it, begins after the last layer has ended."""
    while name:
        reached = [run for run in runs if name in run.began]
        if reached:
            return all(run.began[name] > run.ended[last] for run in reached)
        name = name.rpartition(".")[0]
    return False


def _has_tensors(module: nn.Module) -> bool:
    tensors = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return any(tensor.is_floating_point() for tensor in tensors)
