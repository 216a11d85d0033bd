"""Shapley values of a game, computed by the package shap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nc_trainer.explain.game import Game
from nc_trainer.explain.package import imported_shap, numpy_random_state_kept

LEAST_DRAWS = 3
"""Fewer independent estimates would not show how far apart they are."""


@dataclass(frozen=True)
class ShapleyValues:
    """Shapley values of one game.

    Attributes:
        draws: float64 [draws, players]: independent estimates without bias, one for each pair of permutations; a
            single row where the values are exact.
        base: the value with all players hidden.
        output: the value with all of them shown. In every draw, `base` and the values sum to it.
        exact: whether all coalitions were computed.
    """

    draws: NDArray[np.float64]
    base: float
    output: float
    exact: bool

    @property
    def values(self) -> NDArray[np.float64]:
        """The estimate: the mean of the draws, [players]."""
        return self.draws.mean(axis=0)


def most_players(max_evals: int) -> int:
    """How many players a row may have, so that `max_evals` coalitions are enough for an estimate with an error."""
    return max((max_evals // LEAST_DRAWS - 1) // 2, max_evals.bit_length() - 1)


def shapley_values(game: Game, max_evals: int, seed: int) -> ShapleyValues:
    """Shapley values of the players of a game.

    The value of a player is the mean, over all orders in which players may be shown one after the other, of what
    showing this one adds. Where `max_evals` allows it all coalitions are computed. Otherwise each draw is one random
    order and its reverse: 2 * players + 1 coalitions at most.

    Sources: Shapley, "A value for n-person games" (1953); Castro, Gómez and Tejada, "Polynomial calculation of the
    Shapley value based on sampling" (2009), random orders; Mitchell et al., "Sampling permutations for Shapley value
    estimation" (2022), the reverse as antithetic variate; Lundberg and Lee, "A unified approach to interpreting model
    predictions" (2017).

    Args:
        game: with at least one and at most `most_players(max_evals)` players.
        max_evals: coalitions computed, at most.
        seed: of the orders: two games of one row with one seed see the same.

    Raises:
        NCTrainerError: shap is not installed.
    """
    players = len(game.row.players)
    exact = 2**players <= max_evals
    draws = [_exact(game)] if exact else _sampled(game, max_evals // (2 * players + 1), seed)
    base, output = game(np.array([[False] * players, [True] * players]))
    return ShapleyValues(np.stack(draws), float(base), float(output), exact)


def _exact(game: Game) -> NDArray[np.float64]:
    players = len(game.row.players)
    explainer = imported_shap().ExactExplainer(game, _same)
    return _one(explainer(_all(players), max_evals=2**players, batch_size=2**players, silent=True))


def _sampled(game: Game, draws: int, seed: int) -> list[NDArray[np.float64]]:
    players = len(game.row.players)
    length = 2 * players + 1
    found = []
    with numpy_random_state_kept():
        for state in np.random.SeedSequence(seed).generate_state(draws):
            explainer = imported_shap().PermutationExplainer(game, _same, seed=int(state))
            found.append(_one(explainer(_all(players), max_evals=length, batch_size=length, silent=True)))
    return found


def _same(mask: NDArray, row: NDArray) -> NDArray:
    """shap's masker: the game itself knows what to hide."""
    return (mask * row)[None, :]


def _all(players: int) -> NDArray[np.bool_]:
    return np.ones((1, players), dtype=bool)


def _one(explanation: object) -> NDArray[np.float64]:
    return np.asarray(explanation.values[0], dtype=np.float64)  # type: ignore[attr-defined]
