"""What one search is asked to do, as data: `nc_trainer.search.steps.run` does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from nc_trainer.config import TuningConfig
from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import Batch
from nc_trainer.search.early import Watch
from nc_trainer.search.evaluated_rows import EvaluationRows
from nc_trainer.search.listener import Listener
from nc_trainer.search.objectives.objective import Objective
from nc_trainer.search.objectives.shapley_mse import ExplainedData
from nc_trainer.search.trial import Evaluation

Evaluate = Callable[[Watch], Evaluation]
"""Evaluates the model as it stands. The `Watch` is told of the rows and may stop it."""


@dataclass(frozen=True)
class SearchRows:
    """Where the rows of a search come from. A function reads them when it is called, and not before.

    Attributes:
        example: one row of model inputs.
        calibration: so many rows, without their labels, in batches; they rank the modules.
        labelled: so many rows, with their labels, in batches.
        timed: a few batches that a forward pass is timed on.
        explained: the rows whose predictions are explained, drawn with a seed; None where there are none.
        evaluated: where the rows that are judged can be looked up, None where they cannot.
        evaluation_data, calibration_data: the data sets themselves, which the journal's fingerprint is taken of.
    """

    example: Callable[[], Batch]
    calibration: Callable[[int], Sequence[Batch]]
    labelled: Callable[[int], Sequence[Batch]]
    timed: Callable[[], Sequence[Batch]]
    explained: Callable[[int], ExplainedData] | None = None
    evaluated: EvaluationRows | None = None
    evaluation_data: Any = None
    calibration_data: Any = None


@dataclass(frozen=True)
class Search:
    """One search.

    Attributes:
        model: the float model; it is changed in place.
        swapper: of the model.
        recipe: has everything in int8 that can be.
        config: the criterion, the strategy, the budget, and what is fixed.
        evaluate: judges the model as it stands.
        rows: what is looked at beside evaluations.
        output_dir: where the journal is kept when the configuration does not say.
        metric: name of the metric that was asked for; None chooses one of those that are computed.
        higher_is_better: the direction that was asked for; None derives it from the name.
        objective: orders accepted recipes, instead of what the configuration names.
        listeners: told of what happens.
        float_evaluation: what the float model was evaluated to before its weights were trained for int8; None where
            they were not: then the search evaluates it.
        notes: what was done before the search and should be known of its outcome.
    """

    model: PreTrainedModel
    swapper: ModuleSwapper
    recipe: Recipe
    config: TuningConfig
    evaluate: Evaluate
    rows: SearchRows
    output_dir: str
    metric: str | None = None
    higher_is_better: bool | None = None
    objective: Objective | None = None
    listeners: Sequence[Listener] = ()
    float_evaluation: Evaluation | None = None
    notes: tuple[str, ...] = ()

    @property
    def workspace(self) -> Path:
        """The directory of the journal."""
        return Path(self.config.tuning.workspace.path or self.output_dir)
