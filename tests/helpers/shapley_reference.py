"""Shapley values by their definition, and a tiny model's game."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial

import numpy as np
import torch
from helpers.tiny import tiny_bert, tiny_tokenizer
from numpy.typing import NDArray
from torch import nn

from nc_trainer.explain import Game, MaskedRow, TokenMasker, predicted_output

SetFunction = Callable[[NDArray], NDArray[np.float64]]


def enumerated(game: SetFunction, players: int) -> NDArray[np.float64]:
    """The weighted mean of what a player adds to each coalition of the others (Shapley 1953)."""
    values = np.zeros(players)
    for player in range(players):
        others = [other for other in range(players) if other != player]
        for size in range(players):
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            for members in combinations(others, size):
                without, added = coalition(members, players), coalition([*members, player], players)
                values[player] += weight * float(np.diff(game(np.stack([without, added])))[0])
    return values


def coalition(members: Sequence[int], players: int) -> NDArray[np.bool_]:
    return np.isin(np.arange(players), list(members))


def masked_row(ids: Sequence[int], most_players: int = 100) -> MaskedRow:
    return TokenMasker(tiny_tokenizer())({"input_ids": torch.tensor([list(ids)])}, most_players)


def bert_game(ids: Sequence[int], model: nn.Module | None = None) -> Game:
    model = tiny_bert() if model is None else model
    row = masked_row(ids)
    return Game(model, row, predicted_output(model, row))


class PlantedGame(Game):
    """A game whose value of a coalition is a formula, not a model."""

    def __init__(self, players: int, value: Callable[[NDArray[np.bool_]], float]) -> None:
        super().__init__(nn.Identity(), masked_row(range(1, players + 1)), 0)
        self._value = value

    def _computed(self, coalitions: NDArray[np.bool_]) -> list[float]:
        return [float(self._value(one)) for one in coalitions]
