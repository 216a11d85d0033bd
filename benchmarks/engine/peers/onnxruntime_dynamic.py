"""ONNX Runtime with dynamic int8: the fastest of its quantizer's settings, with threads that spin or do not."""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.optimizer import optimize_model

from peers.exporting import onnx_file
from peers.interface import Batch, Forward, Peer, Task, fastest

FUSABLE = ("bert", "distilbert", "xlm-roberta")


def build(task: Task) -> Peer:
    """Choose the graph and the weights' form first, then whether threads spin while they wait."""
    files = {
        f"{prepare.__name__}, per_channel={per_channel}, reduce_range={reduce_range}": quantized_file(
            prepare(task), per_channel, reduce_range
        )
        for prepare, per_channel, reduce_range in product(forms(task), (True, False), (False, True))
    }
    candidates = {name: partial(session, path, task.threads, False) for name, path in files.items()}
    chosen = fastest(candidates, task.batches)
    path = next(path for name, path in files.items() if chosen.setting.startswith(name))
    spinning = {f"spinning={spin}": partial(session, path, task.threads, spin) for spin in (False, True)}
    peer = fastest(spinning, task.batches)
    return Peer(peer.forward, f"{chosen.setting}; {peer.setting}")


def forms(task: Task) -> tuple[Callable[[Task], Path], ...]:
    """The graph as it was exported, and where the optimizer knows the family the fused one."""
    return (plain, fused) if task.model.config.model_type in FUSABLE else (plain,)


def plain(task: Task) -> Path:
    """The exported model after what ONNX Runtime asks for before quantization."""
    path = task.scratch / "plain.onnx"
    if not path.exists():
        quant_pre_process(onnx_file(task), path, skip_symbolic_shape=True)
    return path


def fused(task: Task) -> Path:
    """The exported model after ONNX Runtime's optimizer for transformers, which fuses attention."""
    path = task.scratch / "fused.onnx"
    if not path.exists():
        config = task.model.config
        sizes = {"num_heads": config.num_attention_heads, "hidden_size": config.hidden_size}
        optimize_model(str(onnx_file(task)), model_type="bert", **sizes).save_model_to_file(str(path))
    return path


def quantized_file(source: Path, per_channel: bool, reduce_range: bool) -> Path:
    """int8 weights, uint8 activations per tensor; `reduce_range` is for CPUs without VNNI."""
    path = source.with_name(f"{source.stem}_int8_{per_channel:d}{reduce_range:d}.onnx")
    if not path.exists():
        # The fused operators are ONNX Runtime's own; shape inference does not know what they return.
        default = {"DefaultTensorType": onnx.TensorProto.FLOAT}
        settings = {"per_channel": per_channel, "reduce_range": reduce_range, "extra_options": default}
        quantize_dynamic(source, path, weight_type=QuantType.QInt8, **settings)
    return path


def session(path: Path, threads: int, spinning: bool) -> Forward:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    runtime = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def forward(batch: Batch) -> torch.Tensor:
        feed = {name: tensor.numpy() for name, tensor in batch.items()}
        return torch.from_numpy(runtime.run(["logits"], feed)[0])

    return forward
