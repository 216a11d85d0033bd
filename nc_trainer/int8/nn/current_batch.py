"""What int8 modules know of the batch that their model is computing: which rows count, and what was proven."""

import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nc_trainer.config.recipe import Coverage
from nc_trainer.int8.nn.read_rows import after_rows_are_left_out, asks_for_more, has_other_hooks, pad_token_id, rows_at

ASKS_FOR_ALL_ROWS = ("output_hidden_states", "output_attentions")
"""Arguments with which a model returns more than logits: then padding is computed like everything else."""


@dataclass(frozen=True)
class _Batch:
    """The batch of one thread.

    Attributes:
        covered: whether the proof of the recipe covers it.
        shape: [batch, tokens], of the mask or else of the tokens.
        real: the numbers of the rows of [batch * tokens] that are not padding, int64; None: all are computed.
        read: by position, the numbers of the rows that are read there; nothing where all are computed.
    """

    covered: bool
    shape: torch.Size
    real: Tensor | None = None
    read: Mapping[str, Tensor] = field(default_factory=dict)


class CurrentBatch:
    """Told by hooks of the model when a batch begins and ends. Each thread has its own.

    Args:
        coverage: for which batches the recipe was proven.
        skips: whether there are layers that skip padding.
        read_rows: by layer, where alone its output is read, see `Recipe`.
        parameters: names of the arguments of the model's forward, in their order.
        harmless: hooks that change nothing that could be missed, and look at nothing.
    """

    def __init__(
        self,
        coverage: Coverage,
        skips: bool,
        read_rows: Mapping[str, str],
        parameters: Sequence[str],
        harmless: Sequence[Callable[..., Any]] = (),
    ) -> None:
        self.coverage = coverage
        self.skips = skips
        self.read_rows = dict(read_rows)
        self.parameters = tuple(parameters)
        self.harmless = tuple(harmless)
        self._threads: dict[int, _Batch] = {}
        self._could_be_watched: list[nn.Module] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Batches stay in their process, and a copy is one of another model."""
        return {**vars(self), "_threads": {}, "_could_be_watched": None}

    def is_covered(self) -> bool:
        """Whether fusions hold for what this thread computes; a module called on its own takes the plain path."""
        if torch.compiler.is_compiling():
            return True
        batch = self._threads.get(threading.get_ident())
        return batch is not None and batch.covered

    def rows_of(self, x: Tensor, skips: bool, read_at: str = "") -> Tensor | None:
        """The numbers of the rows of `x` [batch, tokens, ...] to compute; None for all.

        Args:
            x: the input of a layer.
            skips: whether the layer skips padding.
            read_at: where alone its output is read, if there is such a place.
        """
        if torch.compiler.is_compiling():
            return None
        batch = self._threads.get(threading.get_ident())
        if batch is None or x.dim() != 3 or x.shape[:2] != batch.shape:
            return None
        return batch.read.get(read_at, batch.real if skips else None)

    def begin(self, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """A forward pre-hook: the model is called with these arguments."""
        if torch.compiler.is_compiling():
            return
        limit = self.coverage.tokens
        covered = limit is None or _longest(args, kwargs) <= limit
        given = {**dict(zip(self.parameters, args, strict=False)), **kwargs}
        mask = given.get("attention_mask")
        batch = _Batch(covered, _shape(mask, given.get("input_ids")))
        if covered and not _asks_for_all(model, given):
            real = None
            if self.skips and isinstance(mask, Tensor) and mask.dim() == 2 and not bool(mask.all()):
                real = real_rows(_counts(mask, model, given), self.coverage.padding)
            named = len(args) <= len(self.parameters)
            batch = _Batch(covered, batch.shape, real, self._read(model, given) if named else {})
        self._threads[threading.get_ident()] = batch

    def _read(self, model: nn.Module, given: Mapping[str, Any]) -> dict[str, Tensor]:
        """The rows that are read, by position; nothing where somebody may look at the others."""
        if not self.read_rows or asks_for_more(given):
            return {}
        if self._could_be_watched is None:
            self._could_be_watched = after_rows_are_left_out(model, self.read_rows)
        if has_other_hooks(self._could_be_watched, self.harmless):
            return {}
        config = getattr(model, "config", None)
        found = {position: rows_at(position, given, config) for position in set(self.read_rows.values())}
        return {position: rows for position, rows in found.items() if rows is not None}

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


def parameters_of(model: nn.Module) -> tuple[str, ...]:
    """The names of the arguments that the model's forward takes by position, in their order."""
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in inspect.signature(model.forward).parameters.values() if p.kind in by_position)


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


def _counts(mask: Tensor, model: nn.Module, given: Mapping[str, Any]) -> Tensor:
    """What is no padding, bool [batch, tokens], by the mask or, as heads that look for the end see it, by its id."""
    ids, pad = given.get("input_ids"), pad_token_id(getattr(model, "config", None))
    if isinstance(ids, Tensor) and ids.shape == mask.shape and pad is not None:
        return (mask != 0) | (ids != pad)
    return mask != 0


def _shape(*tensors: Any) -> torch.Size:
    """That of the first tensor."""
    return next((tensor.shape for tensor in tensors if isinstance(tensor, Tensor)), torch.Size())


def _asks_for_all(model: nn.Module, given: Mapping[str, Any]) -> bool:
    config = getattr(model, "config", None)
    return any(given.get(name) or getattr(config, name, False) for name in ASKS_FOR_ALL_ROWS)
