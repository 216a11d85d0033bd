"""What is compared: one file for each peer, with `build(task)`; the files import their libraries themselves.

Order is the order of the tables. A peer that needs a library that is missing fails alone, when it is built.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from peers.interface import Peer, Task

REFERENCE = "fp32"
SUBJECTS = ("ours", "ours_compile")

# name: (module in this folder, keyword arguments of its `build`)
PEERS: Mapping[str, tuple[str, dict[str, Any]]] = MappingProxyType(
    {
        REFERENCE: ("fp32", {}),
        "bf16": ("bf16", {}),
        "bf16_compile": ("bf16_compile", {}),
        "torch_dynamic_x86": ("torch_dynamic", {"engine": "x86"}),
        "torch_dynamic_onednn": ("torch_dynamic", {"engine": "onednn"}),
        "torchao_compile": ("torchao_compile", {}),
        "onnxruntime": ("onnxruntime_dynamic", {}),
        "openvino_bf16": ("openvino_bf16", {}),
        "openvino_int8": ("openvino_int8", {"precision": "f32"}),
        "openvino_int8_bf16": ("openvino_int8", {"precision": "bf16"}),
        "openvino_int8_dynamic": ("openvino_int8_dynamic", {}),
        "ours": ("ours", {}),
        "ours_compile": ("ours", {"compiled": True}),
        "ours_all_rows": ("ours", {"every_row": True}),
    }
)


def build_peer(name: str, task: Task) -> Peer:
    """Build the peer called `name`; raises KeyError for an unknown name, else whatever the peer raises."""
    module, arguments = PEERS[name]
    return import_module(f"peers.{module}").build(task, **arguments)
