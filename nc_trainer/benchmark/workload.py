"""What the models were given: batch sizes, sequence lengths, and how much of them was padding."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nc_trainer.benchmark.statistics import median
from nc_trainer.errors import NCTrainerError

AS_COLLATED, PADDED, RANDOM = LENGTHS = ("as collated", "padded", "random tokens")
SEQUENCE_INPUTS = ("input_ids", "inputs_embeds", "attention_mask")


@dataclass(frozen=True)
class Workload:
    """The batches of the timed rounds, each counted as often as it was used.

    Sequence lengths are tokens per row with padding; None when no batch has any of SEQUENCE_INPUTS.
    Tokens are counted by attention_mask; None when a batch has none. `lengths` is one of LENGTHS.
    `fingerprint` is a SHA-256 of all inputs, by which another run knows the same batches; "" in files
    of version 1.
    """

    samples: int
    batch_size_min: int
    batch_size_max: int
    sequence_length_min: int | None
    sequence_length_median: float | None
    sequence_length_max: int | None
    tokens_real: int | None
    tokens_padding: int | None
    lengths: str = AS_COLLATED
    fingerprint: str = ""


def describe_workload(batches: Sequence[Mapping[str, Tensor]], lengths: str = AS_COLLATED) -> Workload:
    """Describe the batches that were timed, one element per timed round."""
    sizes = [batch_size(batch) for batch in batches]
    widths = [length for length in map(_sequence_length, batches) if length is not None]
    real, padding = _tokens(batches)
    return Workload(
        samples=sum(sizes),
        batch_size_min=min(sizes),
        batch_size_max=max(sizes),
        sequence_length_min=min(widths, default=None),
        sequence_length_median=median(widths) if widths else None,
        sequence_length_max=max(widths, default=None),
        tokens_real=real,
        tokens_padding=padding,
        lengths=lengths,
        fingerprint=_fingerprint(batches),
    )


def batch_size(batch: Mapping[str, Tensor]) -> int:
    """The first dimension of the batch's first tensor; NCTrainerError when no tensor has one."""
    for value in batch.values():
        if isinstance(value, Tensor) and value.ndim:
            return value.shape[0]
    raise NCTrainerError(
        f"A batch has no tensor with a batch dimension; it holds {sorted(batch)}. "
        "Expected collated batches such as {'input_ids': [batch, sequence] int64}."
    )


def _fingerprint(batches: Sequence[Mapping[str, Tensor]]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        for key, value in sorted(batch.items()):
            digest.update(f"{key} {getattr(value, 'dtype', '')} {list(getattr(value, 'shape', ()))}".encode())
            digest.update(_bytes(value) if isinstance(value, Tensor) else repr(value).encode())
    return digest.hexdigest()


def _bytes(value: Tensor) -> bytes:
    return value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _sequence_length(batch: Mapping[str, Tensor]) -> int | None:
    for name in SEQUENCE_INPUTS:
        if name in batch and batch[name].ndim > 1:
            return batch[name].shape[1 if name == "inputs_embeds" else -1]  # [rows, choices, tokens] has three
    return None


def _tokens(batches: Sequence[Mapping[str, Tensor]]) -> tuple[int, int] | tuple[None, None]:
    masks = [batch.get("attention_mask") for batch in batches]
    known = [mask for mask in masks if mask is not None]
    if len(known) < len(masks):
        return None, None
    real = sum(int((mask != 0).sum()) for mask in known)
    return real, sum(mask.numel() for mask in known) - real
