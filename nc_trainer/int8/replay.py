"""Running a model again from one of its blocks on: what comes before a change does not change."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from nc_trainer.int8.module_tree import hookable
from nc_trainer.int8.output_logits import logits_of

Batch = Mapping[str, Tensor]


def rows_in(batch: Batch) -> int:
    """How many rows a batch of model inputs has; inputs without dimensions are the same for all of them."""
    return next(len(value) for value in batch.values() if value.dim())


@torch.no_grad()
def logits(model: nn.Module, batch: Batch) -> list[Tensor]:
    """The logits of one batch in evaluation mode, in float32: one tensor, or start and end for question answering."""
    was_training = model.training
    if was_training:  # going through all modules for nothing would take longer than a small model's forward pass
        model.eval()
    output = model(**batch)
    if was_training:
        model.train()
    return [tensor.float() for tensor in logits_of(output)]


@dataclass
class _Block:
    """One child of an `nn.ModuleList` and what it gave in the recorded run."""

    module: nn.Module
    calls: int = 0
    ended: int = 0
    output: Any = None


@dataclass
class _Clock:
    """Numbers what happens in the recorded run."""

    now: int = 0
    started: dict[str, int] = field(default_factory=dict)

    def tick(self) -> int:
        self.now += 1
        return self.now


class Replay:
    """The float model's run on one batch, to be run again with some modules swapped.

    Blocks are the children of the model's module lists, as its layers usually are. A block that ran once, and had
    ended before the first swapped module began, gives its recorded output again and computes nothing; the logits are
    the same bits as without. Should a model not repeat its own logits that way, everything is computed.

    Costs one forward pass, and holds the outputs of all blocks.

    Args:
        model: in float.
        batch: model inputs without labels.
        names: the modules that will be swapped.
    """

    def __init__(self, model: nn.Module, batch: Batch, names: Iterable[str]) -> None:
        self.model = model
        self.batch = batch
        self._clock = _Clock()
        lists = (module for module in model.modules() if isinstance(module, nn.ModuleList))
        self._blocks = [_Block(child) for children in lists for child in children]
        with self._recording(names):
            self.expected = logits(model, batch)
        self._blocks = [block for block in self._blocks if block.calls == 1]
        if not self._repeats_itself():
            self._blocks = []

    def logits(self, name: str) -> list[Tensor]:
        """The logits of the model as it stands, if module `name` was swapped and none that runs before it."""
        with _remembered(self._finished_before(name)):
            return logits(self.model, self.batch)

    def passes(self, names: Iterable[str]) -> float:
        """What replaying each of these costs, in forward passes: all blocks count the same, the rest nothing."""
        blocks = len(self._blocks)
        return sum(1 - len(self._finished_before(name)) / blocks if blocks else 1.0 for name in names)

    def _finished_before(self, name: str) -> list[_Block]:
        began = self._clock.started.get(name, 0)  # of a module that was not called nothing is known
        return [block for block in self._blocks if block.ended < began]

    def _repeats_itself(self) -> bool:
        with _remembered(self._blocks):
            again = logits(self.model, self.batch)
        return all(torch.equal(a, b) for a, b in zip(again, self.expected, strict=True))

    @contextmanager
    def _recording(self, names: Iterable[str]) -> Iterator[None]:
        with hookable(self.model, names) as modules:
            hooks = [block.module.register_forward_hook(self._ends(block)) for block in self._blocks]
            hooks += [module.register_forward_pre_hook(self._begins(name)) for name, module in modules.items()]
            try:
                yield
            finally:
                for hook in hooks:
                    hook.remove()

    def _ends(self, block: _Block) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            block.calls += 1
            block.ended, block.output = self._clock.tick(), output

        return hook

    def _begins(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any) -> None:
            self._clock.started.setdefault(name, self._clock.tick())

        return hook


@contextmanager
def _remembered(blocks: Iterable[_Block]) -> Iterator[None]:
    """These blocks give their recorded output, whatever they are called with."""
    replaced = []
    try:
        for block in blocks:
            replaced.append((block.module, vars(block.module).get("forward")))
            block.module.forward = _constant(block.output)
        yield
    finally:
        for module, own in reversed(replaced):
            if own is None:
                del module.forward
            else:
                module.forward = own


def _constant(output: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: output
