"""Rows of different lengths for a model of any class: each row alone, and batches of them with any padding."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

LENGTHS = (20, 9, 14)
"""Tokens of the text rows; speech rows have 40 samples for each."""
SAMPLES = 40
PIXELS = 32
CHOICES = 2
FIRST_WORD = 5
WORDS = 96
PAD, END = 1, 2

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Rows:
    """The rows of one model.

    Attributes:
        row: the inputs of a row, without a batch axis, by its number and the length to which it is padded.
        lengths: of the rows.
    """

    row: Callable[[int, int], Inputs]
    lengths: Sequence[int]

    def batch(self, numbers: Sequence[int], padded: int = 0) -> Inputs:
        """These rows, padded to the longest of them, or to `padded` if that is more."""
        length = max(padded, *(self.lengths[number] for number in numbers))
        rows = [self.row(number, length) for number in numbers]
        return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}


def rows_for(model: PreTrainedModel) -> Rows:
    """Random rows of what the forward of `model` takes, the same every time."""
    accepted = set(inspect.signature(model.forward).parameters)
    make = next(make for name, make in MAKERS.items() if name in accepted)
    lengths = LENGTHS if make is _text or "attention_mask" in accepted else [LENGTHS[0]] * len(LENGTHS)
    return Rows(lambda number, length: make(model, accepted, lengths[number], number, length), lengths)


def _text(model: PreTrainedModel, accepted: set[str], length: int, seed: int, padded: int) -> Inputs:
    if type(model).__name__.endswith("MultipleChoice"):
        choices = [_one_text(model, accepted, length, CHOICES * seed + choice, padded) for choice in range(CHOICES)]
        return {key: torch.stack([choice[key] for choice in choices]) for key in choices[0]}
    return _one_text(model, accepted, length, seed, padded)


def _one_text(model: PreTrainedModel, accepted: set[str], length: int, seed: int, padded: int) -> Inputs:
    words = torch.randint(FIRST_WORD, WORDS, (length,), generator=_seeded(seed))
    words[-1] = END  # encoder-decoders take the state there
    if model.config.model_type == "longformer":
        words[[1, 3]] = END  # what stands before the second is the question
    row = {"input_ids": _padded(words, padded, PAD)}
    if "attention_mask" in accepted:
        row["attention_mask"] = _padded(torch.ones(length, dtype=torch.int64), padded, 0)
    if "bbox" in accepted:
        row["bbox"] = torch.zeros(len(row["input_ids"]), 4, dtype=torch.int64)
    if "visual_feats" in accepted:
        row["visual_feats"] = torch.randn(4, model.config.visual_feat_dim, generator=_seeded(seed))
        row["visual_pos"] = torch.rand(4, model.config.visual_pos_dim, generator=_seeded(seed))
    return row


def _speech(model: PreTrainedModel, accepted: set[str], length: int, seed: int, padded: int) -> Inputs:
    if hasattr(model.config, "num_mel_bins"):
        return {
            "input_values": torch.randn(model.config.max_length, model.config.num_mel_bins, generator=_seeded(seed))
        }
    samples = torch.randn(SAMPLES * length, generator=_seeded(seed))
    mask = torch.ones(SAMPLES * length, dtype=torch.int64)
    return {
        "input_values": _padded(samples, SAMPLES * padded, 0),
        "attention_mask": _padded(mask, SAMPLES * padded, 0),
    }


def _spectrum(model: PreTrainedModel, accepted: set[str], length: int, seed: int, padded: int) -> Inputs:
    if hasattr(model.config, "num_mel_bins"):
        size = model.config.num_mel_bins, 2 * model.config.max_source_positions
        return {"input_features": torch.randn(size, generator=_seeded(seed))}
    frames = torch.randn(length, model.config.feature_projection_input_dim, generator=_seeded(seed))
    mask = torch.ones(length, dtype=torch.int64)
    return {"input_features": _padded(frames, padded, 0), "attention_mask": _padded(mask, padded, 0)}


def _picture(model: PreTrainedModel, accepted: set[str], length: int, seed: int, padded: int) -> Inputs:
    config = getattr(model.config, "vision_config", model.config)
    if "spatial_shapes" in accepted:
        patches = torch.randn(16, 3 * config.patch_size**2, generator=_seeded(seed))
        mask = torch.ones(16, dtype=torch.int64)
        return {"pixel_values": patches, "pixel_attention_mask": mask, "spatial_shapes": torch.tensor([4, 4])}
    return {"pixel_values": torch.randn(3, *_size(config), generator=_seeded(seed))}


def _perceived(model: PreTrainedModel, accepted: set[str], length: int, seed: int, padded: int) -> Inputs:
    if "attention_mask" in accepted and "Image" not in type(model).__name__:
        row = _one_text(model, accepted, length, seed, padded)
        return {"inputs": row["input_ids"], "attention_mask": row["attention_mask"]}
    return {"inputs": torch.randn(3, *_size(model.config), generator=_seeded(seed))}


MAKERS: dict[str, Any] = {
    "input_ids": _text,
    "input_values": _speech,
    "input_features": _spectrum,
    "pixel_values": _picture,
    "inputs": _perceived,
}


def _size(config: Any) -> tuple[int, int]:
    size = getattr(config, "image_size", PIXELS)
    return (size, size) if isinstance(size, int) else tuple(size)


def _padded(row: Tensor, length: int, value: int) -> Tensor:
    return torch.nn.functional.pad(row, (0, *[0] * (2 * row.dim() - 2), max(0, length - len(row))), value=value)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(1000 + seed)
