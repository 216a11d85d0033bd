"""What is said about baselines, criteria and selections; and about sound ones, nothing."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef

from nc_trainer.search import Criterion, Metric
from nc_trainer.search.statistics.evidence import JudgedRows
from nc_trainer.search.statistics.verdict import warnings_for

MRPC = np.repeat([1, 0], [279, 129])
WNLI = np.repeat([0, 1], [40, 31])


def criterion(name: str, relative: float | None = 0.01, absolute: float | None = None) -> Criterion:
    return Criterion(Metric(name, True), None if absolute is not None else relative, absolute)


def with_errors(labels: np.ndarray, *rows: int) -> np.ndarray:
    """The labels of two classes, wrong in some rows."""
    classes = labels.copy()
    classes[list(rows)] = 1 - classes[list(rows)]
    return classes


def only(warnings: list[str], start: str) -> str:
    found = [warning for warning in warnings if warning.startswith(start)]
    assert len(found) == 1, warnings
    return found[0]


CONSTANT, ONE_ROW = "The float model is no better", "The criterion tolerates a loss of"


def test_an_accuracy_of_the_largest_class() -> None:
    warnings = warnings_for(criterion("accuracy"), 40 / 71, JudgedRows(WNLI, np.zeros(71, int)))
    assert only(warnings, CONSTANT) == (
        "The float model is no better than a constant answer: its accuracy is 0.5634, and class 0 for every row, as "
        "40 of 71 are labelled, gives 0.5634. Keeping that says nothing about int8."
    )


def test_an_f1_of_always_positive() -> None:
    baseline = np.ones(408, int)
    baseline[:20] = 0
    warnings = warnings_for(criterion("f1"), f1_score(MRPC, baseline), JudgedRows(MRPC, baseline))
    said = only(warnings, CONSTANT)
    assert "its f1 is 0.7766, and class 1 for every row, as 279 of 408 are labelled, gives 0.8122" in said


def test_a_matthews_correlation_of_zero_or_less() -> None:
    baseline = np.arange(408) % 2
    value = matthews_corrcoef(MRPC, baseline)
    assert value < 0
    warnings = warnings_for(criterion("mcc"), value, JudgedRows(MRPC, baseline))
    assert "any class for every row gives 0.0000" in only(warnings, CONSTANT)


def test_a_constant_baseline_under_an_unknown_metric() -> None:
    warnings = warnings_for(criterion("house_points"), 3.0, JudgedRows(MRPC, np.ones(408, int)))
    assert len(warnings) == 1
    assert "class 1 for every row, which is what it predicts, gives 3.0000" in only(warnings, CONSTANT)


@pytest.mark.parametrize("name", ["accuracy", "f1", "mcc"])
def test_a_sound_baseline_and_a_wide_criterion_need_no_words(name: str) -> None:
    baseline = with_errors(MRPC, *range(0, 400, 20))
    value = {"accuracy": 388 / 408, "f1": f1_score(MRPC, baseline), "mcc": matthews_corrcoef(MRPC, baseline)}[name]
    assert warnings_for(criterion(name, absolute=0.2), value, JudgedRows(MRPC, baseline)) == []


def test_less_than_one_row_of_accuracy() -> None:
    baseline = with_errors(WNLI, *range(0, 71, 4))
    warnings = warnings_for(criterion("accuracy"), 53 / 71, JudgedRows(WNLI, baseline))
    assert warnings[0] == (
        "The criterion tolerates a loss of 0.0075 in accuracy, less than one row: of 71 rows each that turns wrong "
        "costs at least 0.0141. A trial is accepted only if it wins back what it loses."
    )


def test_exactly_one_row_is_not_less_than_one() -> None:
    baseline = with_errors(WNLI, *range(0, 71, 4))
    warnings = warnings_for(criterion("accuracy", absolute=1 / 71), 53 / 71, JudgedRows(WNLI, baseline))
    assert not any("less than one row" in warning for warning in warnings)


def test_less_than_one_row_of_f1_is_measured() -> None:
    baseline = with_errors(MRPC, 0, 300)
    value = f1_score(MRPC, baseline)
    by_row = min(value - f1_score(MRPC, with_errors(baseline, row)) for row in (1, 301))
    judged = JudgedRows(MRPC, baseline)
    assert any(
        "less than one row" in said for said in warnings_for(criterion("f1", absolute=by_row - 1e-6), value, judged)
    )
    assert not any(
        "less than one row" in said for said in warnings_for(criterion("f1", absolute=by_row), value, judged)
    )


def test_less_than_the_sampling_error_of_an_accuracy() -> None:
    warnings = warnings_for(criterion("accuracy"), 359 / 408, rows=408)
    assert warnings == [
        "The criterion tolerates a loss of 0.0088, less than the sampling error of the float model's accuracy, 0.0161 "
        "(one standard error on 408 rows): a trial's score alone cannot show so small a loss on new rows, only which "
        "rows flipped can."
    ]


def test_enough_rows_are_not_remarked_on() -> None:
    assert warnings_for(criterion("accuracy"), 0.91, rows=40_000) == []


@pytest.mark.parametrize(
    ("flipped", "conclusion"),
    [
        ([], "new rows like these can be expected to meet the criterion too"),
        ([100, 101, 102], "whether new rows would meet the criterion is open"),
        (range(100, 140), "more is lost than tolerated"),
    ],
    ids=["no-flips", "some", "many"],
)
def test_the_flips_of_the_chosen_trial_say_what_the_score_cannot(flipped: list[int], conclusion: str) -> None:
    baseline = with_errors(MRPC, *range(0, 98, 2))
    judged = JudgedRows(MRPC, baseline, [with_errors(baseline, *flipped)], chosen=0)
    warnings = warnings_for(criterion("accuracy"), 359 / 408, judged)
    assert len(warnings) == 1
    assert f"Row by row the chosen trial loses {len(flipped) / 408:.4f} (95 % interval " in warnings[0]
    assert warnings[0].endswith(f": {conclusion}.")


def many_trials(count: int) -> JudgedRows:
    """Trials that flip eight random rows each, and the luckiest of them chosen."""
    random = np.random.default_rng(0)
    baseline = with_errors(MRPC, *range(0, 98, 2))
    trials = [with_errors(baseline, *random.choice(408, size=8, replace=False)) for _ in range(count)]
    right = [(trial == MRPC).sum() for trial in trials]
    return JudgedRows(MRPC, baseline, trials, chosen=int(np.argmax(right)))


def test_selecting_among_many_trials_on_few_rows() -> None:
    judged = many_trials(12)
    said = only(
        warnings_for(criterion("accuracy"), 359 / 408, judged), "The chosen trial was selected among 12 on 408"
    )
    apparent = (judged.trials[judged.chosen or 0] == MRPC).mean()
    corrected = float(said.split("on new rows is ")[1].split()[0])
    assert corrected < apparent
    assert said.endswith("where 0.0088 is tolerated.")


@pytest.mark.parametrize(
    ("trials", "tolerated"), [(4, 0.0088), (12, 0.05)], ids=["few-trials", "wide-criterion-for-these-rows"]
)
def test_a_harmless_selection_is_not_remarked_on(trials: int, tolerated: float) -> None:
    warnings = warnings_for(criterion("accuracy", absolute=tolerated), 359 / 408, many_trials(trials))
    assert not any(warning.startswith("The chosen trial was selected") for warning in warnings)


@pytest.mark.parametrize(
    "judged",
    [
        None,
        JudgedRows(MRPC, MRPC[:5]),
        JudgedRows(MRPC.astype(float), MRPC),
        JudgedRows(MRPC[:, None], MRPC[:, None]),
        JudgedRows(MRPC, MRPC, [MRPC[:5]], chosen=0),
        JudgedRows(np.full(408, -100), MRPC),
        JudgedRows(np.array([], int), np.array([], int)),
    ],
    ids=["none", "lengths", "regression", "tokens", "a-trial-of-other-length", "unlabelled", "empty"],
)
def test_what_is_not_known_is_not_guessed(judged: JudgedRows | None) -> None:
    assert warnings_for(criterion("accuracy"), 0.9, judged) == []


def test_trials_that_were_stopped_early_count_as_tried() -> None:
    few = [with_errors(MRPC, *range(50 + number)) for number in range(3)]
    baseline = with_errors(MRPC, *range(49))
    counted = {}
    for stopped in (0, 4):
        judged = JudgedRows(MRPC, baseline, few, chosen=0, stopped=stopped)
        warnings = warnings_for(criterion("accuracy"), 359 / 408, judged)
        counted[stopped] = [said for said in warnings if said.startswith("The chosen trial was selected")]
    assert counted[0] == []
    assert counted[4][0].startswith("The chosen trial was selected among 7 (4 stopped early and left out) on 408 rows")
