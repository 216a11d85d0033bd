"""Batches that a model is tried on: several sizes, lengths and paddings, cut from a few calibration rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LONGEST = 512
"""Tokens of the longest probe, where the model takes so many and no calibration row has more."""
SHORTEST = 4


@dataclass(frozen=True)
class Probe:
    """Model inputs of [batch, tokens], and on which side they have padding: `right`, `left`, or neither."""

    inputs: Mapping[str, Tensor]
    padding: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """[batch, tokens]."""
        first = self.inputs.get("input_ids")
        first = next(value for value in self.inputs.values() if value.dim()) if first is None else first
        return first.shape[0], first.shape[1] if first.dim() > 1 else 1


WATCHED = ((1, 15, ""), (2, 11, "right"), (3, 9, "left"), (2, 7, "none"), (3, 14, "right"), (1, 8, "right"))
CHECKED = ((2, 13, "right"), (3, 16, "left"), (1, 6, ""), (1, 12, "right"))
"""Batch, tokens and padding of the probes that are watched and, in other shapes, of those that are checked. Batch and
tokens are never alike, so that a model that computes in another order than [batch, tokens] is found out."""


def watched_probes(examples: Mapping[str, Tensor], model: nn.Module) -> list[Probe]:
    """What structure is found on."""
    return _probes(examples, model, WATCHED)


def checked_probes(examples: Mapping[str, Tensor], model: nn.Module) -> list[Probe]:
    """What it is checked on: other shapes, the rows themselves, and one long row that ends in padding."""
    rows = {key: value[:2] if value.dim() else value for key, value in examples.items()}
    return [*_probes(examples, model, CHECKED), Probe(rows, _side(rows.get("attention_mask")))]


def long_probes(examples: Mapping[str, Tensor], model: nn.Module) -> list[Probe]:
    """One long row that ends in padding, first as long as it may be, then shorter: position tables differ."""
    if not _is_text(examples):
        return []
    positions = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    longest = max(LONGEST, examples["input_ids"].shape[1])
    longest = min(longest, positions) if isinstance(positions, int) and positions > 0 else longest
    lengths = [length for length in (longest, longest - 4, longest // 2) if length > max(n for _, n, _ in WATCHED)]
    return [_probe(examples, model, 1, length, "right") for length in lengths]


def _probes(examples: Mapping[str, Tensor], model: nn.Module, shapes: tuple[tuple[int, int, str], ...]) -> list[Probe]:
    if _is_text(examples):
        return [_probe(examples, model, *shape) for shape in shapes]
    sizes = dict.fromkeys(batch for batch, _, _ in shapes)
    return [Probe({key: _as_many(value, batch) for key, value in examples.items()}) for batch in sizes]


def _is_text(examples: Mapping[str, Tensor]) -> bool:
    ids = examples.get("input_ids")
    return ids is not None and ids.dim() == 2 and ids.shape[1] >= SHORTEST


def _as_many(value: Tensor, batch: int) -> Tensor:
    return value[torch.arange(batch) % len(value)] if value.dim() else value


def _probe(examples: Mapping[str, Tensor], model: nn.Module, batch: int, tokens: int, padding: str) -> Probe:
    """`batch` rows of up to `tokens` tokens. With padding, each row but the first is shorter; a single one is too.

    A decoder's own inputs are one token shorter than the encoder's, so that its rows are not taken for tokens.
    """
    width = examples["input_ids"].shape[1]
    inputs = {}
    for key, value in examples.items():
        many = _as_many(value, batch)
        sequence = many.dim() > 1 and (many.shape[1] == width or not many.is_floating_point())
        length = tokens - 1 if key.startswith("decoder_") else tokens
        inputs[key] = _long_enough(many, length) if sequence else many
    kept = [tokens - (row if batch > 1 else 3) * (padding in ("right", "left")) for row in range(batch)]
    mask = torch.zeros(batch, tokens, dtype=torch.long)
    for row, count in enumerate(kept):
        mask[row, tokens - count :] = 1
        if padding != "left":
            mask[row] = mask[row].flip(0)
    inputs["input_ids"] = _rows(examples, model, kept, tokens, left=padding == "left")
    if "attention_mask" in examples:
        inputs["attention_mask"] = mask.to(examples["attention_mask"].dtype)
    if padding == "none":
        inputs.pop("attention_mask", None)
    return Probe(inputs, padding if padding in ("right", "left") else "")


def _rows(examples: Mapping[str, Tensor], model: nn.Module, kept: list[int], tokens: int, left: bool) -> Tensor:
    """Token ids [batch, tokens]: rows of so many tokens that begin and end as the examples do.

    The last token, which some models look for, stands nowhere else.
    """
    pad = getattr(getattr(model, "config", None), "pad_token_id", None) or 0
    ids = torch.full((len(kept), tokens), pad, dtype=examples["input_ids"].dtype)
    for row, count in enumerate(kept):
        source = _real(examples, row % len(examples["input_ids"]))
        body = source[1:-1][(source[1:-1] != source[-1]) & (source[1:-1] != pad)]
        body = body if len(body) else source[:1]
        middle = body.repeat(-(-count // len(body)))[: count - 2]
        start = tokens - count if left else 0
        ids[row, start : start + count] = torch.cat([source[:1], middle, source[-1:]])
    return ids


def _real(examples: Mapping[str, Tensor], row: int) -> Tensor:
    """The tokens of one row without its padding; the whole row where a mask says nothing."""
    ids, mask = examples["input_ids"][row], examples.get("attention_mask")
    real = ids[mask[row] != 0] if mask is not None and mask.shape == examples["input_ids"].shape else ids
    return real if len(real) > 1 else ids


def _long_enough(rows: Tensor, length: int) -> Tensor:
    """The first `length` tokens of rows [batch, tokens, ...], which are repeated if they have fewer."""
    repeats = -(-length // max(rows.shape[1], 1))
    return rows.repeat(1, repeats, *[1] * (rows.dim() - 2))[:, :length]


def _side(mask: Tensor | None) -> str:
    """Where rows with this mask have padding."""
    if mask is None or mask.dim() != 2 or bool((mask != 0).all()):
        return ""
    return "right" if bool((mask[:, 0] != 0).all()) else "left"
