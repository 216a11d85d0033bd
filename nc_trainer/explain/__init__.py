"""Shapley values of predictions, and how much int8 changes them. See docs/shapley.md.

`masking` says what of a row can be hidden, `game` is the model as a function of what is shown, `values` estimates
Shapley values with the package shap, `comparison` compares those of two models, `explanations` is the record of it,
`neural_compressor_mse` is the number that Neural Compressor computed.
"""

from nc_trainer.explain.comparison import ShapleyComparison, compare_values
from nc_trainer.explain.explanations import ExplainedRow, Explanations
from nc_trainer.explain.game import Game, predicted_output
from nc_trainer.explain.masking import MaskedRow, TokenMasker
from nc_trainer.explain.neural_compressor_mse import inc_shapley_mse, mean_magnitudes
from nc_trainer.explain.package import check_shap
from nc_trainer.explain.values import ShapleyValues, most_players, shapley_values

__all__ = [
    "ExplainedRow",
    "Explanations",
    "Game",
    "MaskedRow",
    "ShapleyComparison",
    "ShapleyValues",
    "TokenMasker",
    "check_shap",
    "compare_values",
    "inc_shapley_mse",
    "mean_magnitudes",
    "most_players",
    "predicted_output",
    "shapley_values",
]
