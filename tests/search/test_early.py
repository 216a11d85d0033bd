"""Stopping trials before their last row: never a verdict that the last row would have changed."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from helpers.tiny import tiny_bert
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer import Recipe
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe, quantizable_modules
from nc_trainer.search import (
    Budget,
    CompleteTrial,
    Criterion,
    EarlyStopping,
    Evaluation,
    Metric,
    Reference,
    SearchSpace,
    Study,
    StudyResult,
    Watch,
)
from nc_trainer.search.early import EarlyVerdict, KnownRows, known_rows
from nc_trainer.search.statistics.class_metric import F1, Accuracy, ClassMetric, Matthews, score
from nc_trainer.search.strategies import Proposals

ROWS = 20
LABELS = np.arange(ROWS) % 2
ACCURACY = Criterion(Metric("accuracy", True), None, 0.1)  # two of 20 rows
NAMES = list(full_recipe(tiny_bert()).modules)


def with_errors(count: int) -> np.ndarray:
    """Predicted classes that are wrong in the first `count` rows."""
    return np.where(np.arange(ROWS) < count, 1 - LABELS, LABELS)


def evaluation(classes: np.ndarray, **changes: object) -> Evaluation:
    whole = {"metrics": {"accuracy": float((classes == LABELS).mean())}, "seconds": 1.0, "visible": True}
    return Evaluation(predictions=classes, labels=LABELS, **(whole | changes))  # type: ignore[arg-type]


class Listed:
    """One module more in float for each proposal, 0 at first."""

    finishes_itself = True

    def __init__(self, proposals: int, needs_values: bool = False) -> None:
        self.count = proposals
        self.needs_values = needs_values

    def proposals(self, space: SearchSpace) -> Proposals:
        for number in range(self.count):
            yield space.recipe.with_fallbacks(NAMES[:number])

    def expected_trials(self, modules: int) -> int:
        return self.count


def reference(judged: Evaluation, recipe: Recipe) -> Reference:
    return Reference(ACCURACY, CompleteTrial(0, recipe.in_float(), 1.0, True, 0.0), judged)


def search(
    errors: Sequence[int],
    judged: list[int],
    batch: int = 4,
    baseline: Evaluation | None = None,
    on_batch: Callable[[], None] = lambda: None,
    visible: bool = True,
    **options: object,
) -> StudyResult:
    """Proposal n gets the first `errors[n]` rows wrong; `judged` is told how many rows were looked at."""
    model = tiny_bert()
    recipe = full_recipe(model)

    def evaluate(watch: Watch) -> Evaluation:
        in_float = set(recipe.modules) & set(quantizable_modules(model))
        classes = with_errors(errors[len(in_float)])
        for start in range(0, ROWS, batch):
            if visible:
                watch.see(classes[start : start + batch], LABELS[start : start + batch])
            on_batch()
            if watch.should_stop():
                judged.append(start + batch)
                return Evaluation({}, 1.0, complete=False)
        judged.append(ROWS)
        return evaluation(classes, visible=visible)

    study = Study(
        space=SearchSpace(recipe, lambda: NAMES),
        strategy=options.pop("strategy", Listed(len(errors))),  # type: ignore[arg-type]
        swapper=ModuleSwapper(model),
        evaluate=evaluate,
        reference=reference(baseline or evaluation(LABELS), recipe),
        budget=options.pop("budget", Budget()),  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )
    return study.run()


def test_a_trial_is_stopped_when_it_cannot_be_accepted_any_more() -> None:
    judged: list[int] = []
    result = search([9, 9, 1], judged)
    assert judged == [20, 4, 20]
    stopped = result.trials[1]
    assert (stopped.state, stopped.value, stopped.accepted) == ("pruned", None, False)
    assert (stopped.low, stopped.high, stopped.share) == (0.0, 0.8, 0.2)
    assert (stopped.flips, stopped.rows, stopped.worse) == (4, 4, 4)
    assert result.outcome == "met"
    assert result.chosen.value == 0.95


def test_the_first_trial_is_never_stopped() -> None:
    judged: list[int] = []
    assert search([20], judged).chosen.value == 0.0
    assert judged == [20]


def test_the_last_batch_is_evaluated_to_its_end() -> None:
    judged: list[int] = []
    search([9, 9, 1], judged, batch=20)
    assert judged == [20, 20, 20]


def test_what_comes_closest_is_evaluated_in_full_if_nothing_is_accepted() -> None:
    judged: list[int] = []
    result = search([9, 12, 3, 11], judged, batch=1)
    assert judged == [20, 3, 3, 3, 20]  # three errors are too many, wherever they are
    assert result.outcome == "best_effort"
    assert [trial.state for trial in result.trials] == ["complete", "pruned", "pruned", "pruned", "complete"]
    assert result.chosen.value is not None


def test_without_any_value_the_closest_is_evaluated_even_when_the_trials_are_used_up() -> None:
    judged: list[int] = []
    result = search([9, 3], judged, budget=Budget(max_trials=2))
    assert judged == [20, 4, 20]
    assert result.chosen.value == 0.85
    assert result.reason.endswith(
        "trial 3 comes closest with 0.8500, 0.0500 short of it: 1 more row right would have met it"
    )
    assert result.chosen.recipe.fallbacks == (NAMES[0],)


def test_the_closest_is_not_evaluated_again_on_resuming() -> None:
    judged: list[int] = []
    finished = search([9, 12, 3], judged)
    again: list[int] = []
    resumed = search([9, 12, 3], again, trials=list(finished.trials))
    assert again == []
    assert (resumed.chosen, resumed.trials) == (finished.chosen, finished.trials)


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": Listed(3, needs_values=True)},
        {"stopping": EarlyStopping(enabled=False)},
        {"visible": False},
        {"baseline": evaluation(LABELS, visible=False)},
    ],
    ids=["strategy-needs-values", "turned-off", "rows-not-visible", "baseline-not-visible"],
)
def test_when_every_trial_is_evaluated_in_full(changes: dict[str, object]) -> None:
    judged: list[int] = []
    search([9, 9, 9], judged, **changes)  # type: ignore[arg-type]
    assert judged == [20, 20, 20]


def test_rows_in_another_order_are_not_judged() -> None:
    verdict = EarlyVerdict(KnownRows(ACCURACY, 1.0, Accuracy(), LABELS, LABELS))
    verdict.see(with_errors(20)[:3], LABELS[1:4])
    verdict.see(with_errors(20)[3:], LABELS[3:])
    assert not verdict.refused


def test_a_class_that_was_never_seen_is_not_judged() -> None:
    verdict = EarlyVerdict(KnownRows(ACCURACY, 1.0, Matthews(2), LABELS, LABELS))
    verdict.see(np.full(ROWS, 2), LABELS)
    assert not verdict.refused


def test_a_metric_that_was_rounded_is_found_out_by_the_trials() -> None:
    baseline = reference(evaluation(LABELS), full_recipe(tiny_bert()))
    assert known_rows(baseline, [(0.85, with_errors(3))]) is not None
    assert known_rows(baseline, [(0.85, with_errors(3)), (0.9, with_errors(3))]) is None
    assert known_rows(baseline, []) is None


METRICS: dict[str, ClassMetric] = {"accuracy": Accuracy(), "f1": F1(1), "matthews_correlation": Matthews(2)}


@given(
    st.sampled_from(sorted(METRICS)),
    st.lists(st.tuples(*[st.integers(0, 1)] * 3), min_size=4, max_size=40),
    st.floats(0, 0.3),
    st.integers(1, 7),
)
def test_stopping_never_changes_a_verdict(
    name: str, rows: list[tuple[int, int, int]], tolerated: float, batch: int
) -> None:
    labels, baseline, trial = (np.array(column) for column in zip(*rows, strict=True))
    formula = METRICS[name]
    criterion = Criterion(Metric(name, True), None, tolerated)
    value = score(formula, labels, baseline)
    verdict = EarlyVerdict(KnownRows(criterion, value, formula, labels, baseline))
    final = score(formula, labels, trial)
    for start in range(0, len(labels), batch):
        verdict.see(trial[start : start + batch], labels[start : start + batch])
        assert verdict.bounds is not None
        assert verdict.bounds.low <= final <= verdict.bounds.high
        assert not (verdict.refused and criterion.accepts(final, value))


def test_the_sequential_test_refuses_sooner() -> None:
    labels = np.zeros(400, dtype=np.int64)
    baseline = np.where(np.arange(400) % 4 == 0, 1, 0)  # wrong in a quarter of the rows
    trial = np.where(np.arange(400) % 2 == 0, 1, 0)
    known = KnownRows(ACCURACY, 0.75, Accuracy(), labels, baseline)
    stopped_at = {}
    for rate in (0.0, 0.05):
        verdict = EarlyVerdict(known, rate)
        while not verdict.refused:
            seen = len(verdict.classes)
            verdict.see(trial[seen : seen + 1], labels[seen : seen + 1])
        stopped_at[rate] = len(verdict.classes)
    assert stopped_at[0.0] == 2 * 141 - 1  # 140 of 400 rows may be wrong
    assert stopped_at[0.05] < 100


def test_when_the_time_is_up_the_running_evaluation_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    judged: list[int] = []

    def a_second() -> None:
        now[0] += 1

    result = search([1, 0, 0], judged, on_batch=a_second, budget=Budget(timeout=7))
    assert judged == [20, 8]
    assert [trial.value for trial in result.trials] == [0.95]
    assert result.outcome == "met"


def test_the_first_value_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    judged: list[int] = []

    def an_hour() -> None:
        now[0] += 3600

    result = search([9, 9], judged, on_batch=an_hour, budget=Budget(timeout=7))
    assert judged == [20]
    assert result.outcome == "best_effort"
    assert "the timeout of 7 s was reached" in result.reason
