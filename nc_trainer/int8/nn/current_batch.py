"""What int8 modules know of the batch that their model is computing: which rows are padding, and what was proven."""

import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nc_trainer.config.recipe import Coverage

ASKS_FOR_ALL_ROWS = ("output_hidden_states", "output_attentions")
"""Arguments with which a model returns more than logits: then padding is computed like everything else."""


@dataclass(frozen=True)
class _Batch:
    """The batch of one thread.

    Attributes:
        covered: whether the proof of the recipe covers it.
        shape: [batch, tokens], of the mask.
        rows: the numbers of the rows of [batch * tokens] that are not padding, int64; None: all are computed.
    """

    covered: bool
    shape: torch.Size
    rows: Tensor | None


class CurrentBatch:
    """Told by hooks of the model when a batch begins and ends. Each thread has its own.

    Args:
        coverage: for which batches the recipe was proven.
        skips: whether there are layers that skip padding.
        mask_position: of `attention_mask` in the arguments of the model's forward.
    """

    def __init__(self, coverage: Coverage, skips: bool, mask_position: int) -> None:
        self.coverage = coverage
        self.skips = skips
        self.mask_position = mask_position
        self._threads: dict[int, _Batch] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Batches stay in their process."""
        return {**vars(self), "_threads": {}}

    def is_covered(self) -> bool:
        """Whether fusions hold for what this thread computes; a module called on its own takes the plain path."""
        if torch.compiler.is_compiling():
            return True
        batch = self._threads.get(threading.get_ident())
        return batch is not None and batch.covered

    def rows_of(self, x: Tensor) -> Tensor | None:
        """The numbers of the rows of `x` [batch, tokens, ...] to compute; None for all."""
        if torch.compiler.is_compiling():
            return None
        batch = self._threads.get(threading.get_ident())
        return batch.rows if batch is not None and x.dim() == 3 and x.shape[:2] == batch.shape else None

    def begin(self, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """A forward pre-hook: the model is called with these arguments."""
        if torch.compiler.is_compiling():
            return
        limit = self.coverage.tokens
        covered = limit is None or _longest(args, kwargs) <= limit
        mask = args[self.mask_position] if len(args) > self.mask_position else kwargs.get("attention_mask")
        rows = None
        if (
            covered
            and self.skips
            and isinstance(mask, Tensor)
            and mask.dim() == 2
            and not _asks_for_all(model, kwargs)
        ):
            rows = real_rows(mask, self.coverage.padding)
        shape = mask.shape if isinstance(mask, Tensor) else torch.Size()
        self._threads[threading.get_ident()] = _Batch(covered, shape, rows)

    def end(self, model: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """A forward hook: the batch is forgotten, also after an error."""
        if not torch.compiler.is_compiling():
            self._threads.pop(threading.get_ident(), None)


class Hook:
    """A hook that can be pickled. Where it is unpickled, hooks registered later do not take its number."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.handle: RemovableHandle | None = None

    def __call__(self, *args: Any) -> Any:
        """What the function returns."""
        return self.function(*args)


def watch_batches(model: nn.Module, batch: CurrentBatch) -> Callable[[], None]:
    """Tell `batch` of every batch of the model; returns a function that ends it."""
    begin, end = Hook(batch.begin), Hook(batch.end)
    begin.handle = model.register_forward_pre_hook(begin, with_kwargs=True, prepend=True)
    end.handle = model.register_forward_hook(end, always_call=True)

    def undo() -> None:
        for hook in (begin, end):
            if hook.handle is not None:
                hook.handle.remove()

    return undo


def mask_position(model: nn.Module) -> int:
    """The number of `attention_mask` among the arguments of the model's forward; one too many if it has none."""
    parameters = list(inspect.signature(model.forward).parameters)
    return parameters.index("attention_mask") if "attention_mask" in parameters else len(parameters) + 1000


def real_rows(mask: Tensor, sides: tuple[str, ...]) -> Tensor | None:
    """The numbers of the tokens of `mask` [batch, tokens] that are not padding, int64.

    None if there is no padding, or if it stands elsewhere than on these sides of its row.
    """
    real = mask != 0
    rows = real.flatten().nonzero().squeeze(1)
    if len(rows) == mask.numel():
        return None
    steps = real[:, 1:].to(torch.int8) - real[:, :-1].to(torch.int8)
    left, right = (steps > 0).any(1), (steps < 0).any(1)
    fits = not bool((left & right).any())
    fits = fits and ("left" in sides or not bool(left.any())) and ("right" in sides or not bool(right.any()))
    return rows if fits else None


def _longest(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor) and value.dim() > 1)
    return max((tensor.shape[1] for tensor in tensors), default=0)


def _asks_for_all(model: nn.Module, kwargs: Mapping[str, Any]) -> bool:
    config = getattr(model, "config", None)
    return any(kwargs.get(name) or getattr(config, name, False) for name in ASKS_FOR_ALL_ROWS)
