"""The float model as an ONNX file, and which of its matrix products belong to which module."""

import copy
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch

from nc_trainer.errors import NCTrainerError
from nc_trainer.hub.export.logits import Logits
from nc_trainer.hub.export.source import ExportSource

OPSET = 17
logger = logging.getLogger(__name__)


def write_float(source: ExportSource, path: Path) -> None:
    """Trace the float model, for any number of rows and tokens.

    Attention is spelt out (`eager`): both runtimes fuse that form. Tracing keeps the names of modules in those of
    nodes, which is how `products_of` finds them.
    """
    traced = copy.deepcopy(source.float_model).eval()
    traced.set_attn_implementation("eager")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Logits(traced, source.names),
            source.example(),
            path,
            input_names=list(source.names),
            output_names=["logits"],
            dynamic_axes={name: {0: "rows", 1: "tokens"} for name in source.names} | {"logits": {0: "rows"}},
            opset_version=OPSET,
            dynamo=False,
        )


def products_of(modules: Iterable[str], nodes: Iterable[str]) -> list[str]:
    """The nodes that compute one of the modules.

    A projection in a bare parameter becomes an `Einsum` node: it has none, and stays in float; a warning names it.

    Args:
        modules: names, such as `bert.encoder.layer.0.output.dense`.
        nodes: of the matrix products, such as `/model/bert/encoder/layer.0/output/dense/MatMul`.

    Raises:
        NCTrainerError: no module has a node.
    """
    modules = list(modules)
    owners = {node: _module_of(node) for node in nodes}
    found = [node for node, owner in owners.items() if owner in modules]
    if modules and not found:
        raise NCTrainerError("The exported graph has no matrix product of any int8 module of the recipe.")
    if missing := [module for module in modules if module not in owners.values()]:
        logger.warning("Not matrix products in the exported graph, left in float: %s", ", ".join(missing))
    return found


def _module_of(node: str) -> str:
    """`h.0.ffn.2` for `/model/h.0/ffn/ffn.2/MatMul`: a child of nn.Sequential carries its parent's name again."""
    _, _, *scopes, _ = node.split("/")
    parts: list[str] = []
    for scope in scopes:
        if parts and scope.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(scope)
    return ".".join(parts)
