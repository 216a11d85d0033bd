"""Where the logits are in what a model returns, and whether they are numbers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from torch import Tensor, nn


def logits_of(output: Any) -> list[Tensor]:
    """The logits among a model's outputs: those named so, or the first tensor that is no loss.

    Of a tuple, as with `return_dict=False`, it is the tensors from the first on that have as many dimensions as it:
    start and end of an answer, or the logits of several heads.

    Args:
        output: a mapping, a tuple or a tensor; a loss, which has no dimensions, may come first.
    """
    if isinstance(output, Mapping):
        named = [value for key, value in output.items() if key.endswith("logits") and isinstance(value, Tensor)]
        return named or _without_loss(output.values())[:1]
    if isinstance(output, Tensor):
        return [output]
    values = _without_loss(output)
    return list(takewhile(lambda value: isinstance(value, Tensor) and value.dim() == values[0].dim(), values))


def _without_loss(values: Any) -> list[Any]:
    return [value for value in values if not (isinstance(value, Tensor) and value.dim() == 0) and value is not None]


def has_nan(logits: Tensor) -> bool:
    """Whether a row is not a number: any of its logits, or with logits [rows, tokens, ...] some at every token.

    Tokens may be padding, of which nothing is asked.
    """
    nan = logits.isnan()
    if nan.dim() > 2:
        nan = nan.any(-1).flatten(1).all(1)
    return bool(nan.any())


@contextmanager
def nan_noticed(model: nn.Module) -> Iterator[Callable[[], bool]]:
    """Look at the logits of every forward pass; what is yielded tells whether some were NaN so far."""
    found = False

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal found
        if not found and isinstance(output, (Mapping, tuple, list, Tensor)):
            found = any(tensor.is_floating_point() and has_nan(tensor) for tensor in logits_of(output))

    handle = model.register_forward_hook(look)
    try:
        yield lambda: found
    finally:
        handle.remove()
