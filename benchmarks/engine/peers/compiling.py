"""torch.compile as the peers use it."""

import torch
from torch import nn

from peers.interface import Forward, Peer, Task, fastest


def fastest_compiled(model: nn.Module, task: Task) -> Peer:
    """The model under torch.compile, with or without frozen weights, whichever is faster.

    Freezing lets inductor pack weights for oneDNN, but it does not know every operator.
    """
    candidates = {f"freezing={frozen}": lambda frozen=frozen: compiled(model, frozen) for frozen in (True, False)}
    return fastest(candidates, task.batches)


def compiled(model: nn.Module, freezing: bool) -> Forward:
    torch._dynamo.reset()
    call = torch.compile(model, options={"freezing": freezing})
    return lambda batch: call(**batch).logits
