"""OpenVINO with NNCF's static int8 for transformers; the rest in fp32 or, by the hint, in bf16."""

import nncf
import openvino

from peers.exporting import INPUTS
from peers.interface import Batch, Peer, Task
from peers.openvino_runtime import compiled, converted


def build(task: Task, precision: str) -> Peer:
    path = task.scratch / f"{task.name}_int8.xml"
    if not path.exists():
        openvino.save_model(quantized(task), path, compress_to_fp16=False)
    model = openvino.Core().read_model(path)
    return Peer(compiled(model, task, precision))


def quantized(task: Task) -> openvino.Model:
    return nncf.quantize(
        converted(task),
        nncf.Dataset(list(task.calibration), as_feed),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(task.calibration),
    )


def as_feed(batch: Batch) -> dict[str, object]:
    return {name: batch[name].numpy() for name in INPUTS}
