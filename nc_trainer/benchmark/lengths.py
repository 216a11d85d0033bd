"""Batches of another length: padded to a fixed one, or random tokens without padding."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import PretrainedConfig

from nc_trainer.benchmark.options import BenchmarkOptions
from nc_trainer.benchmark.workload import AS_COLLATED, PADDED, RANDOM, batch_size
from nc_trainer.errors import NCTrainerError

SEED = 1978
MASK = "attention_mask"
SPECIAL_TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id", "sep_token_id", "decoder_start_token_id")


def with_lengths(
    batches: Sequence[Mapping[str, Tensor]], options: BenchmarkOptions, config: PretrainedConfig, side: str = "right"
) -> tuple[Sequence[Mapping[str, Tensor]], str]:
    """The batches in the length that the options ask for, and what was done to them, one of `workload.LENGTHS`.

    Args:
        batches: collated.
        options: `pad_to` and `fixed_length` count.
        config: of the model.
        side: "right" or "left", on which the tokenizer pads.

    Raises:
        NCTrainerError: the batches have no `input_ids`, or longer rows, or the model takes no rows of that length.
    """
    longest = getattr(config, "max_position_embeddings", None)
    wanted = options.pad_to or options.fixed_length
    if isinstance(longest, int) and 0 < longest < wanted:
        raise NCTrainerError(f"The model takes {longest} tokens at most, not {wanted}.")
    if options.fixed_length:
        return random_batches(batches, options.fixed_length, config), RANDOM
    if options.pad_to:
        return pad_batches(batches, options.pad_to, config.pad_token_id or 0, side), PADDED
    return batches, AS_COLLATED


def pad_batches(
    batches: Sequence[Mapping[str, Tensor]], length: int, pad_token_id: int, side: str = "right"
) -> list[dict[str, Tensor]]:
    """The batches with every row padded to `length` tokens.

    `input_ids` are filled up with `pad_token_id`, every other input that has their shape with 0; where there is no
    attention mask, one is added.

    Args:
        batches: collated, `input_ids` [rows, tokens].
        length: tokens.
        pad_token_id: the model's.
        side: "right" or "left", on which the tokenizer pads.

    Raises:
        NCTrainerError: a batch has no `input_ids`, or longer rows.
    """
    return [_padded(batch, length, pad_token_id, side) for batch in batches]


def random_batches(
    batches: Sequence[Mapping[str, Tensor]], length: int, config: PretrainedConfig
) -> list[dict[str, Tensor]]:
    """For each batch one with as many rows of `length` random tokens, none of them padding; always the same ones.

    Tokens that the config names as special do not occur, but for the last of a row, which is the end-of-sequence token
    where there is one: BART classifies at it.

    Raises:
        NCTrainerError: a batch has no `input_ids`.
    """
    special = {getattr(config, name, None) for name in SPECIAL_TOKENS}
    ordinary = torch.tensor([token for token in range(config.vocab_size) if token not in special])
    end = getattr(config, "eos_token_id", None)
    generator = torch.Generator().manual_seed(SEED)
    return [_random(batch, length, ordinary, end, generator) for batch in batches]


def _padded(batch: Mapping[str, Tensor], length: int, pad_token_id: int, side: str) -> dict[str, Tensor]:
    ids = _input_ids(batch)
    missing = length - ids.shape[1]
    if missing < 0:
        raise NCTrainerError(f"A batch is {ids.shape[1]} tokens long and cannot be padded to {length}; cut the rows.")
    room = (0, missing) if side == "right" else (missing, 0)
    masked = {MASK: torch.ones_like(ids), **batch}
    return {
        key: torch.nn.functional.pad(value, room, value=pad_token_id if key == "input_ids" else 0)
        if value.shape == ids.shape
        else value
        for key, value in masked.items()
    }


def _random(
    batch: Mapping[str, Tensor], length: int, ordinary: Tensor, end: object, generator: torch.Generator
) -> dict[str, Tensor]:
    like = _input_ids(batch)
    shape = (batch_size(batch), length)
    ids = ordinary[torch.randint(len(ordinary), shape, generator=generator)]
    if isinstance(end, int):
        ids[:, -1] = end
    others = {key: torch.zeros(shape, dtype=value.dtype) for key, value in batch.items() if value.shape == like.shape}
    return {**others, "input_ids": ids, MASK: torch.ones(shape, dtype=torch.long)}


def _input_ids(batch: Mapping[str, Tensor]) -> Tensor:
    if "input_ids" not in batch:
        raise NCTrainerError(f"Only batches with `input_ids` can be given another length; these have {sorted(batch)}.")
    return batch["input_ids"]
