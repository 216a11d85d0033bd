"""From an evaluation to the trial that it makes, compared with the float model row by row."""

import math
from typing import Any

from nc_trainer.config.recipe import Recipe
from nc_trainer.search.early import EarlyVerdict
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.statistics.flips import Flips, compare_answers, compare_classes, logits_error
from nc_trainer.search.trial import CompleteTrial, Evaluation, Trial


def complete_trial(number: int, recipe: Recipe, evaluation: Evaluation, reference: Reference) -> Trial:
    """The trial of an evaluation that ran to its end; a failed one if its metric is NaN or infinite."""
    name = reference.criterion.metric.name
    value = evaluation.number(name)
    if not math.isfinite(value):
        return failed_trial(number, recipe, f"{name} is {value}", evaluation.seconds)
    before = reference.evaluation
    flips = compare_answers(before.predictions, evaluation.predictions, before.labels)
    believed, lost = reference.accepts(value, flips), reference.lost_label(evaluation)
    return CompleteTrial(
        number=number,
        recipe=recipe,
        value=value,
        accepted=believed and lost is None,
        lucky=reference.meets(value) and not believed and lost is None,
        lost_label=lost.label if lost else None,
        lost_recall=lost.fall if lost else None,
        seconds=evaluation.seconds,
        metrics=evaluation.metrics,
        logits_error=logits_error(before.predictions, evaluation.predictions),
        **_fields(flips),
    )


def pruned_trial(
    number: int, recipe: Recipe, evaluation: Evaluation, reference: Reference, verdict: EarlyVerdict | None
) -> Trial:
    """The trial of an evaluation that `verdict` has stopped.

    Raises:
        ValueError: it has not.
    """
    if verdict is None or verdict.bounds is None or reference.classes is None:
        raise ValueError("Study: the evaluation ended before its end, and nobody had asked for that.")
    seen = len(verdict.classes)
    flips = compare_classes(reference.classes[:seen], verdict.classes, reference.evaluation.labels[:seen])
    return Trial(
        number=number,
        recipe=recipe,
        value=None,
        accepted=False,
        seconds=evaluation.seconds,
        low=verdict.bounds.low,
        high=verdict.bounds.high,
        share=verdict.share,
        **_fields(flips),
    )


def failed_trial(number: int, recipe: Recipe, error: str, seconds: float) -> Trial:
    """The trial of an evaluation that raised, or gave no finite number."""
    return Trial(number, recipe, None, False, seconds, error=error)


def _fields(flips: Flips | None) -> dict[str, Any]:
    """As a trial keeps them."""
    if flips is None:
        return {}
    counted = {"better": flips.better, "worse": flips.worse, "p_value": flips.p_value}
    return {"flips": flips.changed, "rows": flips.rows, "flip_tolerance": flips.tolerance, **counted}
