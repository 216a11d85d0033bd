"""torchao: int8 activations per token, int8 weights per channel, under torch.compile."""

import copy

from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

from peers.compiling import SETTING, compiled
from peers.interface import Peer, Task


def build(task: Task) -> Peer:
    model = copy.deepcopy(task.model)
    quantize_(model, Int8DynamicActivationInt8WeightConfig())
    return Peer(compiled(model), SETTING)
