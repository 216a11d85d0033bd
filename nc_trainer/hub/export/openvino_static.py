"""OpenVINO: static quantization by NNCF, of the modules that the recipe has in int8."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nncf
import openvino
import torch
from torch import Tensor

from nc_trainer.hub.export.logits import Inputs, Run
from nc_trainer.hub.export.onnx_file import products_of, write_float
from nc_trainer.hub.export.source import ExportSource

FILE = "openvino_model.xml"  # and a .bin beside it: the names that optimum gives


def write(source: ExportSource, directory: Path) -> None:
    """int8 weights per channel, activations per tensor with scales that are calibrated."""
    with TemporaryDirectory(dir=directory) as scratch:
        path = Path(scratch) / "model.onnx"
        write_float(source, path)
        model = openvino.Core().read_model(path)
        quantized = nncf.quantize(
            model,
            nncf.Dataset([_feed(batch, source.names) for batch in source.calibration]),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(source.calibration),
            ignored_scope=nncf.IgnoredScope(names=_in_float(model, source), validate=False),
        )
        openvino.save_model(quantized, directory / FILE, compress_to_fp16=False)


def load(directory: Path, names: Sequence[str]) -> Run:
    """One request at a time, with as many threads as torch has."""
    config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(torch.get_num_threads())}
    request = openvino.Core().compile_model(directory / FILE, "CPU", config).create_infer_request()

    def run(inputs: Inputs) -> Tensor:
        results = request.infer(_feed(inputs, names), share_inputs=True)
        return torch.from_numpy(results["logits"].copy())

    return run


def _feed(inputs: Inputs, names: Sequence[str]) -> dict[str, Any]:
    return {name: inputs[name].numpy() for name in names}


def _in_float(model: openvino.Model, source: ExportSource) -> list[str]:
    """The products of weights that the recipe does not have in int8; those of attention are left to NNCF."""
    products = {_onnx_name(node): node for node in model.get_ops() if node.get_type_name() == "MatMul"}
    chosen = products_of(source.linear_modules(), products)
    return sorted(
        node.get_friendly_name() for name, node in products.items() if name not in chosen and _has_weight(node)
    )


def _onnx_name(node: openvino.Node) -> str:
    """OpenVINO takes a Gemm apart, and adds to its name."""
    return str(node.get_friendly_name()).removesuffix("/WithoutBiases")


def _has_weight(node: openvino.Node) -> bool:
    return bool(node.input_value(1).get_node().get_type_name() == "Constant")
