"""`per_label`: no label may lose more of its recall, whatever the metric says."""

from collections.abc import Collection

import numpy as np
import pytest
from helpers.tiny import tiny_bert
from numpy.typing import NDArray

from nc_trainer.errors import QuantizationError
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
from nc_trainer.search.judge import complete_trial
from nc_trainer.search.recalls import recalls_between
from nc_trainer.search.statistics.label_recall import LabelRecall

RECIPE = full_recipe(tiny_bert())
MODULES = list(RECIPE.modules)
LABELS = np.array([0] * 180 + [1] * 180 + [2] * 20)
"""Label 2 is rare: all its rows are five percent."""


def evaluation(lost: int) -> Evaluation:
    """So many rows of the rare label are taken for label 0; everything else is right."""
    classes = LABELS.copy()
    classes[360 : 360 + lost] = 0
    return Evaluation({"accuracy": float((classes == LABELS).mean())}, 0.0, np.eye(3)[classes], LABELS)


def reference(per_label: float | None, relative: float = 0.05) -> Reference:
    before = evaluation(0)
    baseline = CompleteTrial(0, RECIPE.in_float(), 1.0, True, 0.0)
    return Reference(Criterion(Metric("accuracy", True), relative), baseline, before, 0.995, per_label)


@pytest.mark.parametrize(("lost", "accepted"), [(1, True), (2, True), (3, False), (10, False)])
def test_a_label_may_lose_its_share_of_rows_and_no_more(lost: int, accepted: bool) -> None:
    trial = complete_trial(1, RECIPE, evaluation(lost), reference(0.1))
    assert (trial.accepted, trial.lucky) == (accepted, False)
    assert (trial.lost_label, trial.lost_recall) == ((None, None) if accepted else (2, pytest.approx(lost / 20)))


def test_without_it_the_metric_decides() -> None:
    trial = complete_trial(1, RECIPE, evaluation(10), reference(None))
    assert (trial.accepted, trial.lost_label, trial.lost_recall) == (True, None, None)


def test_what_cannot_be_told_from_the_float_model_may_still_lose_a_label() -> None:
    assert complete_trial(1, RECIPE, evaluation(1), reference(None, relative=0.0)).accepted
    assert not complete_trial(1, RECIPE, evaluation(1), reference(0.0, relative=0.0)).accepted


def run(needed: Collection[str], lost: int, per_label: float | None, max_trials: int = 100) -> StudyResult:
    """A search; the rare label loses rows until the modules that it needs are in float."""
    model = tiny_bert()

    def evaluate(watch: Watch) -> Evaluation:
        return evaluation(0 if set(needed) <= set(quantizable_modules(model)) else lost)

    return Study(
        space=SearchSpace(full_recipe(model), lambda: MODULES),
        strategy=make_strategy("basic"),
        swapper=ModuleSwapper(model),
        evaluate=evaluate,
        reference=reference(per_label),
        budget=Budget(max_trials=max_trials),
    ).run()


def test_a_search_finds_the_fallback_that_the_label_needs() -> None:
    needed = MODULES[3]
    assert run([needed], lost=10, per_label=None).chosen.recipe.fallbacks == ()
    result = run([needed], lost=10, per_label=0.1)
    assert result.outcome == "met"
    assert needed in result.chosen.recipe.fallbacks
    assert "no label's recall lower by more than 0.1" in result.reason
    assert "of trial 1 the recall of label 2 is lower by 0.5000" in result.reason


def test_a_search_that_finds_none_says_which_label_is_lost() -> None:
    result = run(MODULES, lost=10, per_label=0.1, max_trials=2)
    assert result.outcome == "best_effort"
    assert result.reason.endswith("comes closest with 0.9737, the recall of label 2 is lower by 0.5000")


@pytest.mark.parametrize(
    ("predictions", "labels"),
    [(np.ones((4, 1)), np.ones(4)), (np.ones(4), np.ones(4)), (np.ones((4, 3)), None)],
    ids=["regression", "numbers", "no-labels"],
)
def test_rows_without_classes_are_an_error(predictions: NDArray, labels: NDArray | None) -> None:
    before = Evaluation({"loss": 1.0}, 0.0, predictions, labels)
    baseline = CompleteTrial(0, RECIPE.in_float(), 1.0, True, 0.0)
    rule = Reference(Criterion(Metric("loss", False)), baseline, before, per_label=0.1)
    with pytest.raises(QuantizationError, match="`per_label` needs rows with a class each"):
        rule.lost_label(before)


def test_tokens_are_counted_and_padding_is_not() -> None:
    labels = np.array([[0, 1, -100], [1, 1, 0]])
    before, after = np.eye(2)[np.maximum(labels, 0)], np.eye(2)[[[0, 0, 1], [1, 1, 0]]]
    found = recalls_between(Evaluation({}, 0.0, before, labels), Evaluation({}, 0.0, after, labels))
    assert found == (LabelRecall(0, 2, 1.0, 1.0), LabelRecall(1, 3, 1.0, 2 / 3))


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_of_sets_each_label_is_counted_in_the_rows_that_have_it(dtype: type) -> None:
    labels: NDArray = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=dtype)
    before = np.where(labels == 1, 2.0, -2.0)
    after = before.copy()
    after[1, 1] = -1.0
    found = recalls_between(Evaluation({}, 0.0, before, labels), Evaluation({}, 0.0, after, labels))
    assert found == (LabelRecall(0, 2, 1.0, 1.0), LabelRecall(1, 3, 1.0, 2 / 3))
