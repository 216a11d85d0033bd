"""OpenVINO with the float model and the bf16 hint."""

from peers.interface import Peer, Task
from peers.openvino_runtime import compiled, converted


def build(task: Task) -> Peer:
    return Peer(compiled(converted(task), task, "bf16"))
