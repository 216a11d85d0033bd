"""Out to other runtimes: ONNX Runtime, OpenVINO, and torch without transformers.

The first two quantize the float model themselves, where a recipe has int8; a compiled package of torch holds the int8
model as it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten

from torch import Tensor

from nc_trainer.errors import NCTrainerError
from nc_trainer.hub.export.logits import Inputs, Run
from nc_trainer.hub.export.source import ExportSource

__all__ = ["FORMATS", "ExportSource", "Inputs", "Run", "export_model"]

FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "onnx": ("onnx_runtime", ("onnx", "onnxruntime")),
    "openvino": ("openvino_static", ("onnx", "openvino", "nncf")),
    "pt2": ("pt2_package", ()),
}
"""By name of the format: the module here that knows it, and the packages that it needs."""
LONGEST_REASON = 400  # characters


def export_model(source: ExportSource, export_format: str, directory: Path) -> Run:
    """Write a model for another runtime into an existing directory, and load what was written.

    Args:
        source: the float model, the int8 model, and rows.
        export_format: one of FORMATS.
        directory: for the files of the runtime.

    Returns:
        A function from the inputs of a batch to its logits [rows, labels], fp32, computed by the other runtime.

    Raises:
        NCTrainerError: a package is missing, or the model cannot be exported; the function: the runtime fails.
    """
    name, packages = FORMATS[export_format]
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise NCTrainerError(
            f"Exporting to {export_format} needs {' and '.join(missing)}: pip install 'nc_trainer[{export_format}]'."
        )
    module = import_module(f"nc_trainer.hub.export.{name}")
    write: Callable[[ExportSource, Path], None] = module.write
    kind = type(source.float_model).__name__
    with _one_error(f"{kind} cannot be exported to {export_format}"):
        write(source, directory)
    run: Run = module.load(directory, source.names)

    def run_with_one_error(inputs: Inputs) -> Tensor:
        with _one_error(f"{export_format} cannot run the exported {kind} on inputs of other shapes or contents"):
            logits, rows = run(inputs), len(inputs[source.names[0]])
            if len(logits) != rows:
                raise RuntimeError(f"{rows} rows gave {len(logits)} rows of logits.")
            return logits

    return run_with_one_error


@contextmanager
def _one_error(what: str) -> Iterator[None]:
    try:
        yield
    except NCTrainerError:
        raise
    except Exception as error:  # exporters and runtimes raise whatever their many parts raise
        reason = shorten(str(error) or type(error).__name__, LONGEST_REASON, placeholder=" ...")
        raise NCTrainerError(f"{what}: {reason}") from error
