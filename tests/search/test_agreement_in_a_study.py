"""What a search with `agreement` ends with, and what it says of trials that meet the criterion by luck."""

from collections.abc import Callable, Collection

import numpy as np
from helpers.changed_predictions import LABELS, predictions
from helpers.tiny import tiny_bert

from nc_trainer.int8.quantize import ModuleSwapper, full_recipe, quantizable_modules
from nc_trainer.search import (
    Budget,
    CompleteTrial,
    Criterion,
    Evaluation,
    Metric,
    Reference,
    SearchSpace,
    Study,
    StudyResult,
    Watch,
    make_strategy,
)
from nc_trainer.search.strategies.agreeing import Agreeing

MODULES = list(full_recipe(tiny_bert()).modules)
FEW = -(-len(MODULES) // 10)
Changes = Callable[[Collection[str]], tuple[int, int]]
"""From the names of the modules in float: how many predictions changed for the better, and for the worse."""


def evaluation(better: int, worse: int) -> Evaluation:
    """The float model has 36 of 300 rows wrong."""
    classes = predictions(better, worse, 36)
    return Evaluation({"accuracy": float((classes == LABELS).mean())}, 0.0, np.eye(2)[classes], LABELS)


def run(changes: Changes, least: float = 0.995, budget: Budget | None = None) -> StudyResult:
    """The default strategy; a relative loss of 0.01, which is two rows of 300, is tolerated."""
    model = tiny_bert()
    recipe, before = full_recipe(model), evaluation(0, 0)

    def evaluate(watch: Watch) -> Evaluation:
        return evaluation(*changes(set(recipe.modules) & set(quantizable_modules(model))))

    baseline = CompleteTrial(0, recipe.in_float(), before.metrics["accuracy"], True, 0.0)
    return Study(
        space=SearchSpace(recipe, lambda: MODULES),
        strategy=Agreeing(make_strategy("basic"), MODULES) if least else make_strategy("basic"),
        swapper=ModuleSwapper(model),
        evaluate=evaluate,
        reference=Reference(Criterion(Metric("accuracy", True), 0.01), baseline, before, least),
        budget=budget or Budget(),
    ).run()


def mended_by(count: int) -> Changes:
    """29 predictions change, one of them for nothing, until the first modules of the ranking are in float."""
    return lambda fallbacks: (1, 1) if set(MODULES[:count]) <= set(fallbacks) else (14, 15)


def test_one_module_in_float_instead_of_29_changed_predictions() -> None:
    result = run(mended_by(1))
    assert (result.outcome, result.chosen.recipe.fallbacks) == ("met", tuple(MODULES[:1]))
    assert result.reason.endswith(
        "; trial 1 does by luck: 29 of 300 predictions changed (+14 -15), and losses of the tolerated size explain at "
        "most 6"
    )


def test_the_original_takes_them() -> None:
    result = run(mended_by(1), least=0)
    assert (len(result.trials), result.chosen.recipe.fallbacks) == (1, ())
    assert "luck" not in result.reason


def test_where_a_few_modules_do_not_help_all_int8_is_taken_and_a_warning_says_what_changed() -> None:
    result = run(mended_by(FEW + 1))
    assert (result.outcome, result.chosen.number, len(result.trials)) == ("met", 1, 2)
    assert result.warnings[0].startswith("29 of 300 predictions changed (+14 -15), and losses of the tolerated size")


def test_what_cannot_be_told_from_the_float_model_is_not_given_up_for_its_score() -> None:
    """One prediction changed, for the worse; on so few rows that misses a criterion that tolerates less than a row."""
    result = run(lambda fallbacks: (1, 0) if fallbacks else (0, 1))
    assert (result.chosen.number, result.outcome) == (1, "met")


def test_a_search_that_is_cut_short_takes_what_it_has_and_says_what_that_is_worth() -> None:
    result = run(mended_by(1), budget=Budget(max_trials=1))
    assert (result.outcome, result.chosen.number) == ("met", 1)
    assert result.warnings[0].startswith("29 of 300 predictions changed")
