"""The engines behind `int8_linear` and which of them is used.

Every engine returns the same bits. `NC_TRAINER_ENGINE` (auto, native, onednn, reference) forces one.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Protocol

from torch import Tensor

from nc_trainer.errors import QuantizationError
from nc_trainer.int8.ops.engines import native, onednn, reference

logger = logging.getLogger(__name__)
VARIABLE = "NC_TRAINER_ENGINE"
_forced: ContextVar[str | None] = ContextVar("forced_engine", default=None)


class Engine(Protocol):
    """What a module in this package offers."""

    NAME: str

    def unavailable_reason(self) -> str | None:
        """One sentence why the engine cannot run here, or None."""

    def int8_linears(
        self,
        x: Tensor,
        qweights: Sequence[Tensor],
        scales: Sequence[Tensor],
        biases: Sequence[Tensor | None],
        activation: str = "none",
        rows: Tensor | None = None,
    ) -> list[Tensor]:
        """See `nc_trainer.int8.ops.int8_linears`, for fp32 and bf16."""

    def accumulate(self, codes: Tensor, qweight: Tensor) -> Tensor:
        """The exact int32 products [M, N] of int8 `codes` [M, K] with int8 `qweight` [N, K]."""


ENGINES: dict[str, Engine] = {module.NAME: module for module in (native, onednn, reference)}


def current_engine() -> Engine:
    """The engine in force: `use_engine`, else the environment variable, else the fastest that is exact here.

    Raises:
        QuantizationError: the engine that was asked for is unknown or cannot run here.
    """
    name = _forced.get() or os.environ.get(VARIABLE) or "auto"
    return _fastest() if name == "auto" else _named(name)


@contextmanager
def use_engine(name: str) -> Iterator[Engine]:
    """Force an engine inside a `with` block."""
    engine = _named(name)
    token = _forced.set(name)
    try:
        yield engine
    finally:
        _forced.reset(token)


@cache
def _named(name: str) -> Engine:
    if name not in ENGINES:
        raise QuantizationError(f"Unknown int8 engine `{name}`: {VARIABLE} takes auto, {', '.join(ENGINES)}.")
    reason = ENGINES[name].unavailable_reason()
    if reason:
        raise QuantizationError(f"The int8 engine `{name}` cannot run here: {reason}. Set {VARIABLE}=auto.")
    return ENGINES[name]


@cache
def _fastest() -> Engine:
    """The native engine, else oneDNN where the CPU multiplies int8 without saturating, else plain torch."""
    reason = native.unavailable_reason()
    if reason is None:
        return _chosen(native)
    if onednn.unavailable_reason() is None and not onednn.saturates():
        logger.warning("The native int8 engine cannot run here (%s): oneDNN's is used, which is slower.", reason)
        return _chosen(onednn)
    logger.warning("The native int8 engine cannot run here (%s): int8 will not be faster than fp32.", reason)
    return _chosen(reference)


def _chosen(engine: Engine) -> Engine:
    logger.info("int8 engine: %s", engine.NAME)
    return engine
