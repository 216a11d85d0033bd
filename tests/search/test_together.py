"""Several metrics judged as one number."""

import pytest

from nc_trainer.config import AccuracyCriterion, MultiMetrics
from nc_trainer.errors import QuantizationError
from nc_trainer.search import Evaluation
from nc_trainer.search.together import Together

BASELINE = {"f1": 0.8, "accuracy": 0.5, "mse": 2.0}


def together(relative: float | None = None, absolute: float | None = None, **several: object) -> Together:
    rule = AccuracyCriterion(relative=relative, absolute=absolute, multi_metrics=MultiMetrics(**several))  # type: ignore[arg-type]
    return Together.of(rule, Evaluation(BASELINE, 1.0))


def value(judged: Together, **metrics: float) -> float:
    evaluation = judged.added(Evaluation(metrics, 1.0))
    assert {**evaluation.metrics, **metrics} == evaluation.metrics
    return evaluation.metrics[judged.criterion.metric.name]


def test_with_weights_the_weighted_mean_is_judged() -> None:
    judged = together(relative=0.01, metrics=["f1", "accuracy"], weight=[3, 1])
    assert value(judged, **BASELINE) == pytest.approx((3 * 0.8 + 0.5) / 4)
    assert judged.name == "3 f1 + 1 accuracy"
    assert (judged.criterion.relative, judged.criterion.absolute) == (0.01, None)


def test_a_metric_where_lower_is_better_counts_with_a_minus() -> None:
    judged = together(absolute=0.1, metrics=["accuracy", "mse"], weight=[1, 1])
    assert value(judged, **BASELINE) == pytest.approx((0.5 - 2.0) / 2)
    assert judged.criterion.absolute == 0.1


def test_a_direction_can_be_given() -> None:
    judged = together(metrics=["accuracy", "mse"], weight=[1, 1], higher_is_better=[True, True])
    assert value(judged, **BASELINE) == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("f1", "mse", "accepted"),
    [(0.8, 2.0, True), (0.73, 2.1, True), (0.7, 1.0, False), (0.9, 2.5, False)],
    ids=["unchanged", "both-within", "f1-lost", "mse-lost"],
)
def test_without_weights_each_metric_must_meet_a_relative_criterion(f1: float, mse: float, accepted: bool) -> None:
    judged = together(relative=0.1, metrics=["f1", "mse"])
    before = value(judged, **BASELINE)
    assert before == 0.0
    assert judged.criterion.accepts(value(judged, f1=f1, mse=mse), before) is accepted


def test_without_weights_each_metric_must_meet_an_absolute_criterion() -> None:
    judged = together(absolute=0.05, metrics=["f1", "accuracy"])
    assert judged.criterion.accepts(value(judged, f1=0.75, accuracy=0.45), 0.0)
    assert not judged.criterion.accepts(value(judged, f1=0.9, accuracy=0.44), 0.0)


def test_of_a_baseline_of_zero_nothing_may_be_lost() -> None:
    rule = AccuracyCriterion(relative=0.5, multi_metrics=MultiMetrics(metrics=("mcc",)))
    judged = Together.of(rule, Evaluation({"mcc": 0.0}, 1.0))
    assert not judged.criterion.accepts(value(judged, mcc=-0.001), 0.0)
    assert judged.criterion.accepts(value(judged, mcc=0.001), 0.0)


def test_a_metric_that_was_not_computed_is_named() -> None:
    with pytest.raises(QuantizationError, match="`recall` was not computed"):
        together(metrics=["f1", "recall"])


def test_an_evaluation_without_metrics_stays_as_it_is() -> None:
    stopped = Evaluation({}, 1.0)
    assert together(metrics=["f1"]).added(stopped) is stopped
