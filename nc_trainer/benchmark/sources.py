"""Where a process of its own finds a model: a directory, and the dtype to load it in."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nc_trainer.errors import NCTrainerError
from nc_trainer.hub import OptimizedModel
from nc_trainer.hub.files import weight_files

FLOAT_DTYPES = ("float32", "bfloat16")
SHORT_NAMES = {"float32": "fp32", "bfloat16": "bf16"}


@dataclass(frozen=True)
class ModelSource:
    """A model directory. `dtype`, one of FLOAT_DTYPES, is for float models; an int8 one keeps its own."""

    directory: str
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in FLOAT_DTYPES:
            raise NCTrainerError(f"{self.dtype!r} is not a dtype to time; use {' or '.join(FLOAT_DTYPES)}.")
        if not Path(self.directory, "config.json").is_file():
            raise NCTrainerError(f"{self.directory} is not a model directory: it has no config.json.")

    def load(self) -> nn.Module:
        """The model, in eval mode."""
        return OptimizedModel.from_pretrained(self.directory, dtype=getattr(torch, self.dtype)).eval()

    def to_dict(self) -> dict[str, Any]:
        """For a job file."""
        return asdict(self)


def weights_mb(directory: str | os.PathLike[str]) -> float:
    """Size of the weight files in a model directory, in 10^6 bytes."""
    return sum(file.stat().st_size for file in weight_files(Path(directory))) / 1e6


def write_batches(batches: Sequence[Mapping[str, Tensor]], path: Path) -> None:
    """Keep batches in a safetensors file, under keys such as `0.input_ids`.

    Raises:
        NCTrainerError: a batch holds something else than tensors, which such a file cannot.
    """
    tensors = {f"{number}.{key}": value for number, batch in enumerate(batches) for key, value in batch.items()}
    for key, value in tensors.items():
        if not isinstance(value, Tensor):
            raise NCTrainerError(
                f"Batch {key} is a {type(value).__name__}; other processes can only be given tensors."
            )
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, path)


def read_batches(path: Path) -> list[dict[str, Tensor]]:
    """What `write_batches` wrote, in order."""
    batches: dict[int, dict[str, Tensor]] = {}
    for key, tensor in load_file(path).items():
        number, name = key.split(".", 1)
        batches.setdefault(int(number), {})[name] = tensor
    return [batches[number] for number in sorted(batches)]
