"""Shapley values through a search: of the float model once, and of every recipe that is asked for."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from nc_trainer.config import ShapleyConfig
from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.explain import (
    ExplainedRow,
    Explanations,
    Game,
    MaskedRow,
    ShapleyValues,
    TokenMasker,
    compare_values,
    inc_shapley_mse,
    mean_magnitudes,
    most_players,
    predicted_output,
    shapley_values,
)
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.search.objectives.objective import Reading
from nc_trainer.search.trial import Trial

logger = logging.getLogger(__name__)

HALF_WIDTH = 1.96
"""Of a 95% interval, in standard errors."""


def try_to_explain(shapley: "ShapleyMSE | None", trial: Trial) -> Explanations | None:
    """The explanations of the chosen trial, None for the float model. A failure costs a warning, not the search."""
    if shapley is None or not trial.recipe.quantized:
        return None
    try:
        return shapley.explanations(trial)
    except Exception as error:
        logger.warning("Trial %d is not explained: %s: %s", trial.number, type(error).__name__, error)
        return None


@dataclass(frozen=True)
class ExplainedData:
    """What is explained.

    Attributes:
        tokenizer: of the model.
        inputs: model inputs of each row, first dimension 1.
        indices: of these rows in the evaluation data.
        text: which text of a pair is explained, 0 or 1; None is all.
        first_texts: of the evaluation data, for `inc_shapley_mse`; empty where there is no single text.
        labels: names of the classes by id; empty for a regression.
    """

    tokenizer: PreTrainedTokenizerBase
    inputs: Sequence[Mapping[str, Tensor]]
    indices: Sequence[int]
    text: int | None = None
    first_texts: Sequence[str] = ()
    labels: Mapping[int, str] = field(default_factory=dict)


class ShapleyMSE:
    """The objective `shapley_mse`, and the explanations that the report shows.

    The answer that the float model gives to a row is explained: the logit of the class it predicts, or the output of a
    regression. Float and int8 see the same rows, the same hidden tokens and the same permutations.

    Args:
        swapper: of the model.
        float_recipe: with everything in float.
        data: what is explained.
        config: how much.
        seed: of the permutations.

    Raises:
        NCTrainerError: shap is not installed, or the model or its tokenizer cannot be explained.
    """

    def __init__(
        self, swapper: ModuleSwapper, float_recipe: Recipe, data: ExplainedData, config: ShapleyConfig, seed: int
    ) -> None:
        self.swapper = swapper
        self.float_recipe = float_recipe
        self.data = data
        self.config = config
        self.seed = seed
        self._passes, self._seconds = 0, 0.0
        masker, most = TokenMasker(data.tokenizer, data.text), most_players(config.max_evals)
        rows = [(index, masker(one, most)) for index, one in zip(data.indices, data.inputs, strict=True)]
        self._rows: list[tuple[int, MaskedRow]] = [(index, row) for index, row in rows if row.players]
        if not self._rows:
            raise QuantizationError("Shapley values: the rows to explain have no text, only special tokens.")
        swapper.apply(float_recipe)
        self._outputs = [predicted_output(swapper.model, row) for _, row in self._rows]
        self._passes += len(self._rows)
        self._explained = {float_recipe: self._explain(float_recipe)}

    def __call__(self, trial: Trial) -> Reading:
        """The token-wise MSE, and half of the 95% interval that permutations leave.

        All trials are compared on the same rows, so which rows were drawn is no error between them.
        """
        if trial.recipe == self.float_recipe:
            return Reading(0.0)
        found = compare_values(self._values(self.float_recipe), self._values(trial.recipe))
        return Reading(found.mse, HALF_WIDTH * found.permutation_error)

    def explanations(self, trial: Trial) -> Explanations:
        """The record of one trial. The model is left in the trial's recipe."""
        floats, int8s = self._values(self.float_recipe), self._values(trial.recipe)
        explained = Explanations(
            rows=tuple(
                self._row(index, row, output, f, i)
                for (index, row), output, f, i in zip(self._rows, self._outputs, floats, int8s, strict=True)
            ),
            comparison=compare_values(floats, int8s),
            inc_shapley_mse=None,
            trial=trial.number,
            max_evals=self.config.max_evals,
            seed=self.seed,
            hidden_as=str(self.data.tokenizer.convert_ids_to_tokens(self._rows[0][1].substitute)),
            passes=self._passes,
            seconds=self._seconds,
            models=len(self._explained),
        )
        return self._with_original(explained, trial.recipe) if self.config.inc_shapley_mse else explained

    def _values(self, recipe: Recipe) -> list[ShapleyValues]:
        if recipe not in self._explained:
            self._explained[recipe] = self._explain(recipe)
        return self._explained[recipe]

    def _explain(self, recipe: Recipe) -> list[ShapleyValues]:
        started = time.monotonic()
        self.swapper.apply(recipe)
        games = [Game(self.swapper.model, row, out) for (_, row), out in zip(self._rows, self._outputs, strict=True)]
        seeds = np.random.SeedSequence(self.seed).generate_state(len(games))
        found = [
            shapley_values(game, self.config.max_evals, int(seed)) for game, seed in zip(games, seeds, strict=True)
        ]
        passes, seconds = sum(game.passes for game in games), time.monotonic() - started
        self._passes, self._seconds = self._passes + passes, self._seconds + seconds
        logger.info("Explained %d rows with %d forward passes of one row in %.1f s.", len(games), passes, seconds)
        return found

    def _row(self, index: int, row: MaskedRow, output: int, f: ShapleyValues, i: ShapleyValues) -> ExplainedRow:
        return ExplainedRow(
            row=index,
            label=self.data.labels.get(output, str(output)) if self.data.labels else "",
            players=row.names,
            float_values=tuple(f.values.tolist()),
            int8_values=tuple(i.values.tolist()),
            float_base=f.base,
            int8_base=i.base,
            float_output=f.output,
            int8_output=i.output,
            exact=f.exact,
        )

    def _with_original(self, explained: Explanations, recipe: Recipe) -> Explanations:
        """`inc_shapley_mse` and its cost added, or why there is none."""
        if not self.data.first_texts:
            why = "inc_shapley_mse: not computed, it needs the raw text of one column (`tuning.shapley.column`)."
            return replace(explained, note=why)
        started = time.monotonic()
        magnitudes = []
        for one in (self.float_recipe, recipe):
            self.swapper.apply(one)
            found, passes = mean_magnitudes(self.swapper.model, self.data.tokenizer, self.data.first_texts)
            magnitudes.append(found)
            self._passes += passes
        self._seconds += time.monotonic() - started
        value = inc_shapley_mse(*magnitudes)
        changed = replace(explained, passes=self._passes, seconds=self._seconds)
        if not np.isfinite(value):
            return replace(changed, note="inc_shapley_mse: the log-odds of a class are infinite, so there is none.")
        return replace(changed, inc_shapley_mse=value)
