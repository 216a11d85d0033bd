"""Reading a file that torch pickled, without trusting it: tensors and plain containers, and no other class."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.serialization import safe_globals

from nc_trainer.errors import CheckpointError


class PlainDict(dict[str, Any]):
    """Stands for the dictionary classes of Neural Compressor 1.x, none of whose code is looked for or run."""


# Beyond tensors and what pickle itself knows. torch's own list holds these too; here it is said which ones are needed.
ALLOWED: tuple[Any, ...] = (
    torch._utils._rebuild_parameter,
    torch._utils._rebuild_qtensor,
    torch._utils._rebuild_tensor_v2,
    (PlainDict, "neural_compressor.utils.utility.DotDict"),
    (PlainDict, "neural_compressor.conf.dotdict.DotDict"),
)


def read_state(path: Path) -> dict[str, Any]:
    """The dictionary in the file, tensors by name.

    Raises:
        CheckpointError: the file is damaged, is a program, holds something else, or names a class that is not allowed.
    """
    if _is_program(path):
        raise CheckpointError(
            f"{path} is a TorchScript program, which is not run: quantize the float model that it was traced from."
        )
    try:
        with warnings.catch_warnings(), safe_globals(list(ALLOWED)):
            warnings.filterwarnings("ignore", category=UserWarning)  # what torch says of its quantized tensors
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(f"{path} {_not_allowed(path)}") from None
    except (RuntimeError, EOFError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: damaged or truncated ({_first_line(error)}). Copy it again.") from None
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, expected tensors by name (a state dict).")
    return state


def _not_allowed(path: Path) -> str:
    try:
        names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except Exception:
        names = []
    what = f"needs code to be read ({', '.join(names[:3])})" if names else "is not a plain file of tensors"
    return f"{what}, which nc_trainer does not run: save the model's `state_dict()` where it was made."


def _is_program(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
