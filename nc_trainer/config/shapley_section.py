"""The section `tuning.shapley`: which predictions are explained, and how much that may cost. Not in the original."""

from __future__ import annotations

from dataclasses import dataclass

from nc_trainer.config.rules import LARGEST_SEED, flag, optional, text, whole_number
from nc_trainer.config.section import Section, setting


@dataclass(frozen=True, kw_only=True)
class ShapleyConfig(Section, path="tuning.shapley"):
    """How Shapley values are computed, for the objective `shapley_mse` and for the report."""

    report: bool = setting(
        False,
        flag(),
        "Explain predictions of the chosen model beside those of the float model. The objective `shapley_mse` does so "
        "in any case.",
    )
    rows: int = setting(20, whole_number(2), "Evaluation rows that are explained, drawn at random.")
    max_evals: int = setting(
        500,
        whole_number(16),
        "Coalitions (forward passes of one row) for each row and model, at most. Tokens of rows that are too long for "
        "it are taken together.",
    )
    column: str | None = setting(
        None,
        optional(text()),
        "The text column whose tokens are explained, while the other of a pair stays as it is; null explains both.",
    )
    seed: int | None = setting(
        None,
        optional(whole_number(0, LARGEST_SEED)),
        "Seed of the rows and of the permutations; null is `tuning.random_seed`.",
    )
    inc_shapley_mse: bool = setting(
        False,
        flag(),
        "Also compute the number that Neural Compressor's example called Shapley MSE, once, at the end, on ten rows. "
        "It may cost more than all the rest.",
    )
