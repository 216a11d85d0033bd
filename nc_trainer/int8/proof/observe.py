"""What a float model does with the probes: who runs when and with which shapes."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nc_trainer.int8.encoder_layers import leave_fast_path
from nc_trainer.int8.fusion.call_recorder import CallRecorder
from nc_trainer.int8.fusion.find import Seen
from nc_trainer.int8.module_tree import hookable
from nc_trainer.int8.proof.probes import Probe

logger = logging.getLogger(__name__)


@dataclass
class Run:
    """One forward pass.

    Attributes:
        shape: [batch, tokens] of the probe.
        inputs: by linear layer, the shapes of what it was given.
        began: by module, when it was first called; numbers that count everything that happens.
        ended: by module, when its last call ended.
        calls: by module, how often it was called.
    """

    shape: tuple[int, int]
    inputs: dict[str, list[torch.Size]] = field(default_factory=lambda: defaultdict(list))
    began: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    now: int = 0

    def begins(self, name: str, module: nn.Module, args: Any) -> None:
        """A forward pre-hook."""
        self.now += 1
        self.began.setdefault(name, self.now)
        self.calls[name] += 1

    def ends(self, name: str, module: nn.Module, args: Any, output: Any) -> None:
        """A forward hook."""
        self.now += 1
        self.ended[name] = self.now

    def given(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """A forward pre-hook of a linear layer."""
        self.inputs[name] += [x.shape for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]


@dataclass(frozen=True)
class Observations:
    """What the probes that the model takes have shown."""

    seen: Seen
    runs: Sequence[Run]

    def token_wise(self, names: Iterable[str]) -> tuple[str, ...]:
        """The linear layers whose input followed [batch, tokens] in every call, and which every probe reached."""
        return tuple(name for name in names if self.runs and all(_follows(run, name) for run in self.runs))


def observe(model: nn.Module, names: Sequence[str], probes: Iterable[Probe]) -> Observations:
    """Watch the float model on each probe; a probe that the model does not take shows nothing.

    Args:
        model: in float, in place.
        names: of the linear layers that may be int8.
        probes: see `probes.py`.
    """
    runs: list[Run] = []
    observations = Observations(Seen(), runs)
    for probe in probes:
        run, calls = Run(probe.shape), CallRecorder(names)
        try:
            with _hooked(model, names, run):
                calls.run(model, probe.inputs)
        except Exception as error:  # the model's own code, on a batch that it was perhaps not made for
            logger.info("The model does not take a batch of %s: %s", probe.shape, error)
            continue
        observations.seen.add(calls)
        runs.append(run)
    return observations


def _follows(run: Run, name: str) -> bool:
    shapes = run.inputs.get(name, [])
    return bool(shapes) and all(len(shape) == 3 and tuple(shape[:2]) == run.shape for shape in shapes)


@contextmanager
def _hooked(model: nn.Module, names: Sequence[str], run: Run) -> Iterator[None]:
    handles = []
    undo = leave_fast_path(model, everywhere=True)
    with hookable(model, names) as linears:
        for name, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(partial(run.begins, name)))
            handles.append(module.register_forward_hook(partial(run.ends, name)))
        for name, module in linears.items():
            handles.append(module.register_forward_pre_hook(partial(run.given, name), with_kwargs=True))
        try:
            yield
        finally:
            undo()
            for handle in handles:
                handle.remove()
