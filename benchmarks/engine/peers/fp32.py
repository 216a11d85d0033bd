"""The float model as it is: torch eager, fp32."""

from peers.interface import Peer, Task


def build(task: Task) -> Peer:
    return Peer(lambda batch: task.model(**batch).logits)
