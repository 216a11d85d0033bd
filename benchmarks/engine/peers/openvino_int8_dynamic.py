"""OpenVINO with int8 weights and activations quantized as they come, in bf16: no calibration, the closest to ours."""

from functools import partial

import nncf
import openvino

from peers.interface import Peer, Task, fastest
from peers.openvino_runtime import compiled, converted

WHOLE_ROWS = 2**64 - 1
"""The group size that OpenVINO takes for one scale for each row of activations."""


def build(task: Task) -> Peer:
    """The faster of a scale for each row of activations and one for so many of its elements as a token has."""
    path = task.scratch / "int8_weights.xml"
    if not path.exists():
        mode = nncf.CompressWeightsMode.INT8_SYM
        openvino.save_model(nncf.compress_weights(converted(task), mode=mode), path, compress_to_fp16=False)
    candidates = {
        f"group size {name}": partial(compiled, openvino.Core().read_model(path), task, "bf16", size)
        for name, size in {"of a row": WHOLE_ROWS, "of a token": task.model.config.hidden_size}.items()
    }
    return fastest(candidates, task.batches)
