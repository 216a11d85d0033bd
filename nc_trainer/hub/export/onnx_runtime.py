"""ONNX Runtime: its dynamic quantization, of the modules that the recipe has in int8."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor

from nc_trainer.hub.export.logits import Inputs, Run
from nc_trainer.hub.export.onnx_file import products_of, write_float
from nc_trainer.hub.export.source import ExportSource

FILE = "model.onnx"
PRODUCTS = ("MatMul", "Gemm")


def write(source: ExportSource, directory: Path) -> None:
    """int8 weights per channel, uint8 activations per tensor, scaled by what each batch holds."""
    with TemporaryDirectory(dir=directory) as scratch:
        path = Path(scratch) / FILE
        write_float(source, path)
        nodes = [
            node.name for node in onnx.load(path, load_external_data=False).graph.node if node.op_type in PRODUCTS
        ]
        chosen = products_of(source.linear_modules(), nodes)
        quantize_dynamic(
            path,
            directory / FILE,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(PRODUCTS),
            # The quantizer turns Gemm into MatMul and Add before it looks for these names.
            nodes_to_quantize=[*chosen, *(f"{name}_MatMul" for name in chosen)],
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


def load(directory: Path, names: Sequence[str]) -> Run:
    """A session with as many threads as torch has, which do not wait for work in a loop: torch is timed meanwhile."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(directory / FILE, options, providers=["CPUExecutionProvider"])

    def run(inputs: Inputs) -> Tensor:
        return torch.from_numpy(session.run(["logits"], {name: inputs[name].numpy() for name in names})[0])

    return run
