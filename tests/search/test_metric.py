import pytest

from nc_trainer import QuantizationError
from nc_trainer.search import Metric, choose_metric

GLUE = {
    "cola": ({"loss": 1.0, "matthews_correlation": 0.5}, "matthews_correlation"),
    "sst2": ({"loss": 1.0, "accuracy": 0.9}, "accuracy"),
    "mrpc": ({"loss": 1.0, "accuracy": 0.8, "f1": 0.9, "combined_score": 0.85}, "f1"),
    "qqp": ({"loss": 1.0, "accuracy": 0.8, "f1": 0.9, "combined_score": 0.85}, "f1"),
    "stsb": ({"loss": 1.0, "pearson": 0.8, "spearmanr": 0.8, "combined_score": 0.8}, "spearmanr"),
    "mnli": ({"loss": 1.0, "accuracy": 0.8}, "accuracy"),
    "qnli": ({"loss": 1.0, "accuracy": 0.8}, "accuracy"),
    "rte": ({"loss": 1.0, "accuracy": 0.8}, "accuracy"),
    "wnli": ({"loss": 1.0, "accuracy": 0.56}, "accuracy"),
}


@pytest.mark.parametrize("task", list(GLUE))
def test_every_glue_task_has_a_default(task: str) -> None:
    metrics, expected = GLUE[task]
    metric = choose_metric(metrics)
    assert metric.name == expected
    assert metric.higher_is_better


@pytest.mark.parametrize(
    ("metrics", "name", "higher"),
    [
        ({"loss": 1.0}, "loss", False),
        ({"loss": 1.0, "mse": 0.1}, "mse", False),
        ({"loss": 1.0, "house_points": 3.0}, "house_points", True),
        ({"mse": 1.0, "accuracy": 0.5}, "accuracy", True),
    ],
    ids=["only-the-loss", "regression", "the-only-other", "order"],
)
def test_defaults_beyond_glue(metrics: dict[str, float], name: str, higher: bool) -> None:
    metric = choose_metric(metrics)
    assert (metric.name, metric.higher_is_better) == (name, higher)


@pytest.mark.parametrize("wanted", ["accuracy", "eval_accuracy"], ids=["plain", "prefixed"])
def test_a_wanted_metric_wins(wanted: str) -> None:
    assert choose_metric({"f1": 0.9, "accuracy": 0.8}, wanted).name == "accuracy"


@pytest.mark.parametrize(
    ("name", "higher"), [("loss", False), ("matched_loss", False), ("rmse", False), ("gloss", True), ("f1", True)]
)
def test_direction_follows_from_the_name(name: str, higher: bool) -> None:
    assert choose_metric({name: 1.0}, name).higher_is_better is higher


def test_the_direction_can_be_given() -> None:
    assert choose_metric({"f1": 1.0}, higher_is_better=False).higher_is_better is False


def test_a_metric_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(QuantizationError, match=r"`f2` was not computed.*\['accuracy', 'f1'\]"):
        choose_metric({"f1": 1.0, "accuracy": 1.0}, "f2")


def test_several_unknown_metrics_are_not_guessed_between() -> None:
    with pytest.raises(QuantizationError, match=r"Cannot tell which metric.*metric_name"):
        choose_metric({"loss": 1.0, "a": 1.0, "b": 1.0})


@pytest.mark.parametrize("name", ["matched_accuracy", "eval_matched_accuracy"])
def test_a_data_sets_name_may_stand_before_a_metric(name: str) -> None:
    assert choose_metric({"matched_loss": 1.0, "matched_accuracy": 0.5}) == Metric("matched_accuracy", True)
    assert choose_metric({"matched_accuracy": 0.5, "mismatched_accuracy": 0.5}, name).name == "matched_accuracy"


def test_between_data_sets_nothing_is_guessed() -> None:
    with pytest.raises(QuantizationError, match=r"Cannot tell which metric.*multi_metrics"):
        choose_metric({"a_loss": 1.0, "a_accuracy": 0.5, "b_loss": 1.0, "b_accuracy": 0.5})


def test_the_name_that_an_evaluation_returned_is_taken_as_it_is() -> None:
    assert choose_metric({"eval_f1": 0.5}, "eval_f1").name == "eval_f1"


UNUSABLE = {"accuracy": "is the text '0.9'"}


def test_the_loss_does_not_stand_in_for_what_is_no_number() -> None:
    with pytest.raises(QuantizationError, match=r"no metric to judge by: `accuracy` is the text '0\.9'"):
        choose_metric({"loss": 1.0}, unusable=UNUSABLE)
    assert choose_metric({"loss": 1.0}, "loss", unusable=UNUSABLE) == Metric("loss", False)


@pytest.mark.parametrize("wanted", ["accuracy", "eval_accuracy"])
def test_a_wanted_metric_that_is_no_number_is_named(wanted: str) -> None:
    with pytest.raises(QuantizationError, match=r"The metric `accuracy` is the text '0\.9', expected a number"):
        choose_metric({"loss": 1.0, "f1": 0.5}, wanted, unusable=UNUSABLE)


def test_another_metric_of_the_order_is_judged_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert choose_metric({"accuracy": 0.5}, unusable={"f1": "is an array of shape (3,)"}).name == "accuracy"
    assert "`f1` is an array of shape (3,)" in caplog.text
