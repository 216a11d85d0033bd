"""bf16 under torch.compile."""

import copy

import torch

from peers.compiling import fastest_compiled
from peers.interface import Peer, Task


def build(task: Task) -> Peer:
    return fastest_compiled(copy.deepcopy(task.model).to(torch.bfloat16), task)
