"""How often each module runs in one forward pass: ALBERT's layer is one module that runs twelve times."""

from collections.abc import Iterable, Mapping
from functools import partial

from torch import Tensor, nn

from nc_trainer.int8.module_tree import hookable
from nc_trainer.int8.replay import logits


def call_counts(model: nn.Module, names: Iterable[str], batch: Mapping[str, Tensor]) -> dict[str, int]:
    """Calls by module name, as one forward pass over `batch` shows.

    Args:
        model: in float, in place.
        names: of modules that can be int8.
        batch: model inputs; one row is enough.
    """
    counts = dict.fromkeys(names, 0)
    with hookable(model, counts) as modules:
        hooks = [
            module.register_forward_pre_hook(partial(_count, counts, name), with_kwargs=True)
            for name, module in modules.items()
        ]
        try:
            logits(model, batch)
        finally:
            for hook in hooks:
                hook.remove()
    return counts


def with_count(name: str, counts: Mapping[str, int]) -> str:
    """The name as tables show it: `layer.ffn (x12)` for a module that runs more than once."""
    return f"{name} (x{counts[name]})" if counts.get(name, 1) > 1 else name


def repeated_fallbacks(fallbacks: Iterable[str], counts: Mapping[str, int]) -> str | None:
    """A sentence about modules in float that run more than once, None where there are none."""
    repeated = [name for name in fallbacks if counts.get(name, 1) > 1]
    if not repeated:
        return None
    shown = ", ".join(with_count(name, counts) for name in repeated)
    share = sum(counts[name] for name in repeated)
    return (
        f"{shown}: (xN) is one module that the forward pass runs N times. In float that is {share} of the "
        f"{sum(counts.values())} calls of modules that can be int8."
    )


def _count(counts: dict[str, int], name: str, *call: object) -> None:
    counts[name] += 1
