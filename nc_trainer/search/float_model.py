"""Judging the float model, which sets what trials have to meet."""

import math

from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.search.criterion import Criterion
from nc_trainer.search.early import Watch
from nc_trainer.search.float_reference import Reference
from nc_trainer.search.metric import choose_metric
from nc_trainer.search.search import Evaluate, Search
from nc_trainer.search.together import Together
from nc_trainer.search.trial import CompleteTrial, Evaluation


def judge_float_model(search: Search, recipe: Recipe) -> tuple[Reference, Evaluate]:
    """Evaluate the model, which is in float, unless it was evaluated before it was trained for int8.

    Training is meant to change predictions: then the metric alone is looked at, and not how many changed.

    Args:
        recipe: has everything in int8 that may be.

    Returns:
        What trials are compared with, and what evaluates them: where several metrics are judged as one, it adds that
        number to what `search.evaluate` returns.

    Raises:
        QuantizationError: the metric that is asked for was not computed, or is not a finite number; or a limit per
            label is set and rows have no classes.
    """
    evaluation, evaluate = search.float_evaluation or search.evaluate(Watch()), search.evaluate
    rule = search.config.tuning.accuracy_criterion
    agreement = 0.0 if search.float_evaluation else rule.agreement
    if rule.multi_metrics.metrics:
        together = Together.of(rule, evaluation)
        criterion, evaluation = together.criterion, together.added(evaluation)
        evaluate = together.judging(evaluate)
    else:
        criterion = _criterion_of_one(search, evaluation)
    if search.config.tuning.exit_policy.performance_only:
        criterion = Criterion(criterion.metric, None, math.inf)
    trial = _trial(recipe, evaluation, criterion)
    reference = Reference(criterion, trial, evaluation, agreement, _per_label(search))
    reference.lost_label(evaluation)  # no label has lost anything yet: this raises where rows have no classes
    return reference, evaluate


def _per_label(search: Search) -> float | None:
    tuning = search.config.tuning
    return None if tuning.exit_policy.performance_only else tuning.accuracy_criterion.per_label


def _criterion_of_one(search: Search, evaluation: Evaluation) -> Criterion:
    rule = search.config.tuning.accuracy_criterion
    if search.metric is None and evaluation.primary is not None:
        return Criterion(evaluation.primary, rule.relative, rule.absolute)
    metric = choose_metric(evaluation.metrics, search.metric, search.higher_is_better, evaluation.unusable)
    return Criterion(metric, rule.relative, rule.absolute)


def _trial(recipe: Recipe, evaluation: Evaluation, criterion: Criterion) -> CompleteTrial:
    name = criterion.metric.name
    value = evaluation.number(name)
    if not math.isfinite(value):
        raise QuantizationError(f"The float model's {name} is {value}: there is nothing to compare with.")
    return CompleteTrial(0, recipe.in_float(), value, True, evaluation.seconds, evaluation.metrics)
