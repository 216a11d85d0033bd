"""Checking an int8 checkpoint against the model that will hold it, before any tensor is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from safetensors import SafetensorError, safe_open
from torch import nn

from nc_trainer.errors import CheckpointError
from nc_trainer.int8.nn import Int8Module

SAFETENSORS_DTYPES = {"torch.int8": "I8", "torch.float32": "F32"}
FLOAT_DTYPES = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True)
class StoredTensor:
    """What a safetensors header says of one tensor."""

    dtype: str
    shape: tuple[int, ...]


def read_headers(files: Iterable[str]) -> dict[str, StoredTensor]:
    """Dtype and shape of every tensor in the files.

    Raises:
        CheckpointError: a file is not safetensors, or is truncated or damaged, or not one of tensors of torch.
    """
    found = {}
    for file in files:
        if not str(file).endswith(".safetensors"):
            raise CheckpointError(f"{file}: int8 models are read from safetensors files only; nothing is unpickled.")
        try:
            with safe_open(file, framework="pt") as tensors:
                _check_metadata(file, tensors.metadata())
                for key in tensors.keys():  # noqa: SIM118 - not a mapping
                    part = tensors.get_slice(key)
                    found[key] = StoredTensor(part.get_dtype(), tuple(part.get_shape()))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file}: damaged or truncated ({error}). Copy or download it again.") from error
    return found


def _check_metadata(file: str, metadata: dict[str, str] | None) -> None:
    if (metadata or {}).get("format") != "pt":
        raise CheckpointError(
            f"{file}: its metadata are {metadata}, expected {{'format': 'pt'}}: damaged, or written without "
            "`metadata={'format': 'pt'}`. Copy or download it again."
        )


def check_missing(keys: Sequence[str]) -> None:
    """Raise a CheckpointError if any tensor is missing."""
    if keys:
        raise CheckpointError(
            f"The int8 checkpoint lacks {len(keys)} tensors that its recipe and config ask for: {_some(keys)}. "
            "Save the model again, or load it with the class it was saved from."
        )


def check_unexpected(keys: Sequence[str]) -> None:
    """Raise a CheckpointError if the checkpoint holds tensors that the model has no place for."""
    if keys:
        raise CheckpointError(
            f"The int8 checkpoint holds {len(keys)} tensors that its recipe and config do not ask for: {_some(keys)}. "
            "config.json and model.safetensors do not belong together."
        )


def check_stored(expected: nn.Module, stored: dict[str, StoredTensor], prefix: str) -> None:
    """Raise a CheckpointError if a tensor in the file has another dtype or shape than its place in the model.

    Args:
        expected: the model with its int8 modules in place, on any device.
        stored: the file's tensors.
        prefix: what the file's keys have in front of the model's.
    """
    int8_names = {name for name, module in expected.named_modules() if isinstance(module, Int8Module)}
    for key, tensor in expected.state_dict().items():
        found = stored.get(prefix + key)
        if found is None:
            continue
        is_int8 = key.rpartition(".")[0] in int8_names
        dtypes = (SAFETENSORS_DTYPES[str(tensor.dtype)],) if is_int8 else FLOAT_DTYPES
        if tensor.is_floating_point() or is_int8:
            _check_tensor(prefix + key, found, dtypes, tuple(tensor.shape))


def check_loaded(model: nn.Module) -> None:
    """Raise a CheckpointError if an int8 module came out of loading with a buffer of another dtype."""
    for name, module in model.named_modules():
        if isinstance(module, Int8Module):
            for key, tensor in module.named_buffers():
                wanted = "torch.int8" if key == "qweight" else "torch.float32"
                if str(tensor.dtype) != wanted:
                    raise CheckpointError(f"{name}.{key} is {tensor.dtype}, expected {wanted}: the file is damaged.")


def _check_tensor(key: str, found: StoredTensor, dtypes: Sequence[str], shape: tuple[int, ...]) -> None:
    if found.dtype not in dtypes or found.shape != shape:
        raise CheckpointError(
            f"{key} is {found.dtype} {list(found.shape)}, expected {' or '.join(dtypes)} {list(shape)}. "
            "config.json and model.safetensors do not belong together, or one of them is damaged."
        )


def _some(keys: Sequence[str]) -> str:
    shown = ", ".join(sorted(keys)[:5])
    return shown if len(keys) <= 5 else f"{shown}, ..."
