"""How fast the trials of a search are, measured within a budget of seconds."""

import time
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from nc_trainer.benchmark.measure import evaluation_mode
from nc_trainer.benchmark.statistics import compare
from nc_trainer.benchmark.workload import batch_size
from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.report.report_data import Speed
from nc_trainer.search import Trial
from nc_trainer.search.objectives.recipe_timing import PASSES, Batch, time_recipes

MOST_TIMED = 8
TOO_LONG = 2
"""Timing is given up after so many times the budget; estimates on a busy machine are that far off."""
FLOAT = "float"


def measure_speed(
    swapper: ModuleSwapper,
    float_recipe: Recipe,
    trials: Sequence[Trial],
    batches: Sequence[Batch],
    budget: float,
) -> Speed:
    """Time trials and the float model in the same rounds.

    Where that would take longer than the budget, batches are cut to fewer rows, and then fewer trials are timed.
    The model is left in any of the recipes.

    Args:
        swapper: of the model.
        float_recipe: with everything in float.
        trials: to be timed, the most interesting first.
        batches: model inputs without labels.
        budget: seconds.
    """
    if not trials or not budget:
        return Speed(note="Speed was not measured." if trials else "")
    started = time.monotonic()
    swapper.apply(float_recipe)
    wanted = list(trials[:MOST_TIMED])
    cut = _affordable(swapper.model, batches, budget / (PASSES * (len(wanted) + 1)))
    seconds = _seconds_of_a_pass(swapper.model, cut[0])
    wanted = wanted[: max(1, int(budget / (PASSES * seconds)) - 1)]
    if PASSES * 2 * seconds > TOO_LONG * budget:
        return Speed(note=f"Speed was not measured: a forward pass takes {seconds:.1f} s, too long for {budget:g} s.")
    recipes = {FLOAT: float_recipe} | {_name(trial): trial.recipe for trial in wanted}
    try:
        durations = time_recipes(swapper, recipes, cut, started + TOO_LONG * budget)
    except TimeoutError:
        return Speed(note=f"Speed was not measured: the machine was too busy to do so within {budget:g} s.")
    comparisons = {
        trial.number: compare(FLOAT, durations[FLOAT], _name(trial), durations[_name(trial)]) for trial in wanted
    }
    left_out = len(trials) - len(wanted)
    note = f"{left_out} of {len(trials)} trials were not timed, to save time." if left_out else ""
    return Speed(comparisons, max(map(batch_size, cut)), note)


def _affordable(model: nn.Module, batches: Sequence[Batch], seconds: float) -> list[Batch]:
    """The batches, cut to as many rows as a forward pass of so many seconds has, at least one."""
    rows = max(map(batch_size, batches))
    needed = _seconds_of_a_pass(model, batches[0])
    if needed <= seconds:
        return list(batches)
    kept = max(1, int(rows * seconds / needed))
    return [_first(batch, kept) for batch in batches]


def _first(batch: Batch, rows: int) -> Mapping[str, torch.Tensor]:
    return {key: value[:rows] for key, value in batch.items()}


def _seconds_of_a_pass(model: nn.Module, batch: Batch) -> float:
    """The shorter of two: the first one allocates."""
    taken = []
    with evaluation_mode([model]), torch.inference_mode():
        for _ in range(2):
            started = time.perf_counter()
            model(**batch)
            taken.append(time.perf_counter() - started)
    return min(taken)


def _name(trial: Trial) -> str:
    return f"trial {trial.number}"
