"""bf16 under torch.compile."""

import copy

import torch

from peers.compiling import SETTING, compiled
from peers.interface import Peer, Task


def build(task: Task) -> Peer:
    return Peer(compiled(copy.deepcopy(task.model).to(torch.bfloat16)), SETTING)
