"""What of a tokenized row can be hidden, and the row with some of it hidden."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from nc_trainer.errors import NCTrainerError

IDS, ATTENTION = "input_ids", "attention_mask"


@dataclass(frozen=True)
class MaskedRow:
    """One row of model inputs, some of whose tokens can be hidden.

    Attributes:
        inputs: what the model's forward takes, `input_ids` [1, tokens] among it, without trailing padding.
        players: the positions of each player: what is shown or hidden together.
        names: what each player reads.
        substitute: the token id that stands in the place of a hidden token.
    """

    inputs: Mapping[str, Tensor]
    players: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    substitute: int

    def show(self, coalitions: NDArray[np.bool_]) -> dict[str, Tensor]:
        """The row once for each coalition, with those players shown that it says, and all else as it is.

        The attention mask stays: a hidden token is one that says nothing, not one that is absent.

        Args:
            coalitions: bool [coalitions, players]; True is shown.

        Returns:
            The inputs, [coalitions, tokens].
        """
        count = len(coalitions)
        inputs = {key: value.expand(count, *value.shape[1:]) for key, value in self.inputs.items()}
        hidden = torch.zeros(count, inputs[IDS].shape[1], dtype=torch.bool)
        for player, positions in enumerate(self.players):
            hidden[:, list(positions)] = torch.from_numpy(~coalitions[:, player])[:, None]
        return inputs | {IDS: inputs[IDS].masked_fill(hidden, self.substitute)}


class TokenMasker:
    """Hides tokens behind the tokenizer's mask token; without one behind `[UNK]` or its like, else behind padding.

    Special tokens are never hidden: separators, the classifier's token, languages, padding.

    Args:
        tokenizer: of the model.
        text: which text of a pair can be hidden, 0 or 1, while the other stays; None is all.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, text: int | None = None) -> None:
        self.tokenizer = tokenizer
        self.text = text
        self.substitute = _substitute(tokenizer)
        self._special = _structural_ids(tokenizer)

    def __call__(self, inputs: Mapping[str, Tensor], most_players: int) -> MaskedRow:
        """The row with its players: tokens, or runs of neighbouring tokens if there are more than `most_players`.

        Args:
            inputs: tensors whose first dimension is 1, `input_ids` [1, tokens] among them.

        Raises:
            NCTrainerError: there are no `input_ids`, or the two texts of the row cannot be told apart.
        """
        if IDS not in inputs:
            raise NCTrainerError(f"Shapley values hide tokens: the rows have {', '.join(inputs)}, expected `{IDS}`.")
        row = _without_trailing_padding(inputs)
        positions = self._hideable(row)
        groups = np.array_split(positions, most_players) if len(positions) > most_players else [[p] for p in positions]
        players = tuple(tuple(int(position) for position in group) for group in groups)
        ids = row[IDS][0].tolist()
        names = tuple(self._name([ids[position] for position in group]) for group in players)
        return MaskedRow(row, players, names, self.substitute)

    def _hideable(self, row: Mapping[str, Tensor]) -> list[int]:
        ids = row[IDS][0].tolist()
        attended = row[ATTENTION][0].tolist() if ATTENTION in row else [1] * len(ids)
        plain = [bool(seen) and token not in self._special for token, seen in zip(ids, attended, strict=True)]
        texts = [[p for p, _ in run] for is_text, run in groupby(enumerate(plain), lambda item: item[1]) if is_text]
        if self.text is None:
            return [position for text in texts for position in text]
        if self.text >= len(texts):
            raise NCTrainerError(
                f"`tuning.shapley.column`: a row has {len(texts)} text(s) between special tokens, expected "
                f"{self.text + 1} or more: this tokenizer does not separate them. Leave the key out."
            )
        return texts[self.text]

    def _name(self, ids: Sequence[int]) -> str:
        text = str(self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)).strip()
        return text or " ".join(self.tokenizer.convert_ids_to_tokens(ids))


def _substitute(tokenizer: PreTrainedTokenizerBase) -> int:
    for token in (tokenizer.mask_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id):
        if token is not None:
            return int(token)
    raise NCTrainerError("Shapley values hide tokens: the tokenizer has no mask, unknown or padding token.")


def _structural_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Ids of the special tokens that are no text: all but the unknown and the mask token, unless these double."""
    roles = {getattr(tokenizer, f"{role}_token_id") for role in ("bos", "eos", "cls", "sep", "pad")}
    others = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id, tokenizer.mask_token_id}
    return {token for token in roles | others if token is not None}


def _without_trailing_padding(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is cut lies behind the last token that is attended to, so that no token changes its place."""
    width = inputs[IDS].shape[1]
    seen = inputs[ATTENTION][0].nonzero() if ATTENTION in inputs else torch.empty(0)
    end = int(seen.max()) + 1 if len(seen) else width
    long = {key for key, value in inputs.items() if value.ndim > 1 and value.shape[1] == width}
    return {key: value[:, :end] if key in long else value for key, value in inputs.items()}
