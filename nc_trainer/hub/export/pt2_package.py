"""A package of torch.export and AOTInductor: the int8 model, compiled, with the operators of the native engine.

What runs it needs torch and the engine's library, which lies beside the package; neither transformers nor nc_trainer:

    torch.ops.load_library("nc_trainer_native.so")
    model = torch._inductor.aoti_load_package("model.pt2")
"""

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from nc_trainer.errors import NCTrainerError
from nc_trainer.hub.export.logits import Inputs, Logits, Run
from nc_trainer.hub.export.source import ExportSource
from nc_trainer.int8.ops.engines import native, native_build

FILE, LIBRARY = "model.pt2", "nc_trainer_native.so"
MOST_ROWS = 4096
PYTHON_OPERATORS = "nc_trainer::"


def write(source: ExportSource, directory: Path) -> None:
    """The model for 1 to 4096 rows of up to `most_tokens` tokens, and the library of its operators."""
    if reason := native.unavailable_reason():
        raise NCTrainerError(f"A pt2 package is made of the native engine's operators: {reason}")
    rows, tokens = Dim("rows", min=1, max=MOST_ROWS), Dim("tokens", min=1, max=source.most_tokens)
    shapes = tuple({0: rows, 1: tokens} for _ in source.names)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch warns of its own code
        program = torch.export.export(
            Logits(source.int8_model.eval(), source.names), source.example(), dynamic_shapes=(shapes,), strict=False
        )
        _call_the_native_operators(program)
        torch._inductor.aoti_compile_and_package(program, package_path=str(directory / FILE))
    shutil.copyfile(native_build.library(), directory / LIBRARY)


def load(directory: Path, names: Sequence[str]) -> Run:
    """The compiled model; the operators are registered already in this process."""
    model = torch._inductor.aoti_load_package(str(directory / FILE))

    def run(inputs: Inputs) -> Tensor:
        logits: Tensor = model(*(inputs[name] for name in names))
        return logits

    return run


def _call_the_native_operators(program: ExportedProgram) -> None:
    """torch.export records the operators that are defined in Python; those behind them take the same arguments."""
    for node in program.graph.nodes:
        name = getattr(getattr(node.target, "_schema", None), "name", "")
        if name.startswith(PYTHON_OPERATORS):
            node.target = getattr(torch.ops.nc_trainer_native, name.removeprefix(PYTHON_OPERATORS)).default
    program.graph_module.recompile()
