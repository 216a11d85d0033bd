"""OpenVINO: the converted model and how it is run."""

import openvino
import torch

from peers.exporting import INPUTS, onnx_file
from peers.interface import Batch, Forward, Task


def converted(task: Task) -> openvino.Model:
    return openvino.Core().read_model(onnx_file(task))


def compiled(model: openvino.Model, task: Task, precision: str, group_size: int | None = None) -> Forward:
    """The model compiled for one request at a time; for the task's shape if it has only one.

    `group_size`: of activations that are quantized as they come, where weights are int8; None is OpenVINO's default.
    """
    if task.shape:
        model.reshape({name: list(task.shape) for name in INPUTS})
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(task.threads),
        "INFERENCE_PRECISION_HINT": precision,
    }
    if group_size is not None:
        config["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(group_size)
    request = openvino.Core().compile_model(model, "CPU", config).create_infer_request()

    def forward(batch: Batch) -> torch.Tensor:
        results = request.infer([batch[name].numpy() for name in INPUTS], share_inputs=True)
        return torch.from_numpy(results[0].copy())

    return forward
