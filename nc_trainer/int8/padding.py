"""Whether a model looks at padding at all: where it does not, int8 layers may leave it out."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import logits

TOKENS = 15
"""Odd, so that pooling pairs meets padding."""


def with_padding_skipped(swapper: ModuleSwapper, recipe: Recipe, example: Mapping[str, Tensor]) -> Recipe:
    """The recipe with padding skipped if that leaves every bit of the logits as it is, else the recipe as it was.

    Tried on rows of several lengths made from one. Costs two forward passes; the model is left in float.

    Args:
        swapper: of the model.
        recipe: with everything in int8 that can be.
        example: one row of model inputs; without a two-dimensional `attention_mask` nothing can be skipped.
    """
    batch = padded_batch(example, swapper.model)
    if batch is None:
        return recipe
    skipping = replace(recipe, padding="skip")
    try:
        found = [_logits(swapper, each, batch) for each in (recipe, skipping)]
    except (ValueError, RuntimeError, IndexError):  # the model does not take such rows
        return recipe
    finally:
        swapper.restore()
    return skipping if all(map(torch.equal, *found)) else recipe


def padded_batch(example: Mapping[str, Tensor], model: torch.nn.Module) -> dict[str, Tensor] | None:
    """As many rows as tokens, of several lengths, cut from one row: its beginning, and the end that some models want.

    The batch is square, so that a model that computes in another order than [batch, tokens] is found out. A decoder
    with inputs of its own is given as many of them as the encoder: nothing else tells its rows from the encoder's.
    """
    ids, mask = example.get("input_ids"), example.get("attention_mask")
    if ids is None or mask is None or mask.dim() != 2:
        return None
    length = min(int(mask[0].sum()), TOKENS)
    if length < 4 or not bool(mask[0, :length].all()):
        return None
    batch = {key: _repeated(value, length) for key, value in example.items()}
    pad = getattr(getattr(model, "config", None), "pad_token_id", None) or 0
    last = ids[0, int(mask[0].sum()) - 1]
    for row in range(length):
        kept = max(2, length - row)
        batch["input_ids"][row, kept - 1] = last
        batch["input_ids"][row, kept:] = pad
        batch["attention_mask"][row, kept:] = 0
    return batch


def _repeated(value: Tensor, length: int) -> Tensor:
    """`length` times the first row of an input [rows, ...], as long as that if it has tokens; a scalar as it is."""
    if not value.dim():
        return value
    row = _long_enough(value[:1], length) if value.dim() > 1 else value[:1]
    return row.expand(length, *row.shape[1:]).clone()


def _long_enough(row: Tensor, length: int) -> Tensor:
    """The first `length` tokens of a row [1, tokens, ...], which is repeated if it has fewer."""
    repeats = -(-length // max(row.shape[1], 1))
    return row.repeat(1, repeats, *[1] * (row.dim() - 2))[:, :length]


def _logits(swapper: ModuleSwapper, recipe: Recipe, batch: Mapping[str, Tensor]) -> list[Tensor]:
    swapper.apply(recipe)
    return logits(swapper.model, batch)
