#!/usr/bin/env python
"""run_glue_tune.py whose search prefers the int8 model that explains its answers like the float model.

The same options and a few more, `--shap_...`. Without --tuning_config, conf_shap.yaml beside this file holds: of the
recipes that meet the accuracy criterion within its timeout, the one with the smallest Shapley MSE is chosen. Neural
Compressor's script of this name took the first ten sentences of SST-2 and only reported a number; that number is
reported too, as inc_shapley_mse. See docs/shapley.md.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nc_trainer import TuningConfig, load_tuning_config
from nc_trainer.config import MultiObjectives
from nc_trainer.config.tuning_section import SHAPLEY_MSE

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for _shared

from _shared.arguments import parse_arguments
from _shared.modes import run_script
from glue_arguments import DataTrainingArguments
from run_glue_tune import run_with

DEFAULTS = Path(__file__).with_name("conf_shap.yaml")

logger = logging.getLogger(__name__)


@dataclass
class ShapArguments(DataTrainingArguments):
    """What is explained, beside where the data comes from; what is left out is as the configuration says."""

    shap_rows: int | None = field(default=None, metadata={"help": "Evaluation rows that are explained."})
    shap_max_evals: int | None = field(
        default=None, metadata={"help": "Forward passes of one row for each row and model, at most."}
    )
    shap_seed: int | None = field(default=None, metadata={"help": "Seed of the rows and of the permutations."})
    shap_column: str | None = field(
        default=None, metadata={"help": "Text column that is explained, if not both of a pair."}
    )
    shap_original: bool = field(
        default=True, metadata={"help": "Also compute Neural Compressor's number, on the first ten texts."}
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the script; a mistake in its options, its data or its model ends it with one message."""
    run_script(run, argv)


def run(argv: Sequence[str] | None = None) -> None:
    """run_glue_tune.py with Shapley MSE as the objective."""
    model_args, shap_args, training_args = parse_arguments(argv, ShapArguments)
    config = with_shapley_mse(load_tuning_config(training_args.tuning_config or DEFAULTS), shap_args)
    if training_args.tune and not config.tuning.exit_policy.timeout:
        logger.warning(
            "tuning.exit_policy.timeout is 0: the first recipe that meets the criterion is taken, and its Shapley MSE "
            "only reported. Set a timeout, and a strategy that goes on (ranked), to let it choose."
        )
    run_with(model_args, shap_args, training_args, config)


def with_shapley_mse(config: TuningConfig, args: ShapArguments) -> TuningConfig:
    """The configuration with `shapley_mse` as its objective, unless it weighs several, and what the options say."""
    given = {
        "rows": args.shap_rows,
        "max_evals": args.shap_max_evals,
        "seed": args.shap_seed,
        "column": args.shap_column,
    }
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    tuning = config.tuning
    shapley = replace(tuning.shapley, report=True, inc_shapley_mse=args.shap_original, **changed)
    tuning = replace(tuning, shapley=shapley)
    if tuning.multi_objectives.objective is None:
        tuning = replace(tuning, objective=SHAPLEY_MSE, multi_objectives=MultiObjectives())
    return replace(config, tuning=tuning)


if __name__ == "__main__":
    main()
