"""The loop and its verdicts, on a model whose evaluation the test makes up."""

import math
from collections.abc import Callable, Iterable

import pytest
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
from nc_trainer.search.strategies import Proposals

Answer = Callable[[set[str]], float]


class Listed:
    """Proposes the given lists of fallbacks, one after the other."""

    def __init__(self, fallbacks: Iterable[list[str]], finishes_itself: bool = False) -> None:
        self.fallbacks = list(fallbacks)
        self.finishes_itself = finishes_itself

    def proposals(self, space: SearchSpace) -> Proposals:
        for names in self.fallbacks:
            yield space.recipe.with_fallbacks(names)

    def expected_trials(self, modules: int) -> int:
        return len(self.fallbacks)


def run(answer: Answer, strategy: object, budget: Budget | None = None, higher: bool = True) -> StudyResult:
    """Judge by `answer(fallbacks)`; the baseline is 1 and a relative loss of 0.1 is tolerated."""
    model = tiny_bert()
    recipe = full_recipe(model)

    def evaluate(watch: Watch) -> Evaluation:
        still_float = set(recipe.modules) & set(quantizable_modules(model))
        return Evaluation({"m": answer(still_float)}, 0.0)

    study = Study(
        space=SearchSpace(recipe, lambda: list(recipe.modules)),
        strategy=strategy,  # type: ignore[arg-type]
        swapper=ModuleSwapper(model),
        evaluate=evaluate,
        reference=Reference(
            Criterion(Metric("m", higher), 0.1),
            CompleteTrial(0, recipe.with_fallbacks(recipe.modules), 1.0, True, 0.0),
            Evaluation({"m": 1.0}, 0.0),
        ),
        budget=budget or Budget(),
    )
    return study.run()


def test_met_at_once() -> None:
    result = run(lambda fallbacks: 0.95, make_strategy("basic"))
    assert result.outcome == "met"
    assert result.chosen.recipe.fallbacks == ()
    assert len(result.trials) == 1
    assert result.reason == "trial 1 meets m >= 0.9000 (relative 0.1 of 1.0000)"


def test_the_evaluated_model_is_the_proposed_recipe() -> None:
    judged: list[set[str]] = []
    run(lambda fallbacks: judged.append(fallbacks) or 0.5, Listed([["classifier"], []]))  # type: ignore[func-returns-value]
    assert judged == [{"classifier"}, set()]


def test_sensitive_modules_fall_back() -> None:
    result = run(lambda fallbacks: 1.0 if "classifier" in fallbacks else 0.5, make_strategy("basic"))
    # The classifier is the last of the made-up ranking.
    assert result.chosen.recipe.fallbacks == ("classifier",)
    result = run(lambda fallbacks: 1.0 if "bert.pooler.dense" in fallbacks else 0.5, make_strategy("basic"))
    assert result.outcome == "met"
    assert result.chosen.recipe.fallbacks == ("bert.pooler.dense",)


def test_best_effort_keeps_the_best_trial_and_says_what_was_missing() -> None:
    result = run(lambda fallbacks: 0.5 + 0.01 * len(fallbacks), Listed([[], ["classifier"], []]))
    assert result.outcome == "best_effort"
    assert result.chosen.recipe.fallbacks == ("classifier",)
    assert result.reason == (
        "no trial meets m >= 0.9000 (relative 0.1 of 1.0000); the strategy had nothing left to try; "
        "trial 2 comes closest with 0.5100, 0.3900 short of it"
    )


def test_lower_is_better() -> None:
    result = run(lambda fallbacks: 1.05, make_strategy("basic"), higher=False)
    assert result.outcome == "met"
    assert run(lambda fallbacks: 0.0, make_strategy("basic"), higher=False).outcome == "met"
    assert run(lambda fallbacks: 1.2, make_strategy("basic"), higher=False).outcome == "best_effort"


def test_timeout_zero_stops_at_the_first_acceptable_recipe() -> None:
    result = run(lambda fallbacks: 1.0, Listed([["classifier"], []]))
    assert [trial.recipe.fallbacks for trial in result.trials] == [("classifier",)]


def test_a_timeout_lets_the_search_go_on_and_keeps_the_recipe_with_more_in_int8() -> None:
    result = run(lambda fallbacks: 1.0, Listed([["classifier"], []]), Budget(timeout=1000))
    assert len(result.trials) == 2
    assert result.chosen.recipe.fallbacks == ()


def test_a_timeout_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("nc_trainer.search.study.time.monotonic", lambda: now[0])

    def slow(fallbacks: set[str]) -> float:
        now[0] += 21
        return 0.5

    result = run(slow, Listed([["classifier"], [], ["bert.pooler.dense"]]), Budget(timeout=20))
    assert len(result.trials) == 1
    assert "the timeout of 20 s was reached" in result.reason


def test_the_float_model_is_no_trial_and_never_chosen() -> None:
    everything = list(full_recipe(tiny_bert()).modules)
    result = run(lambda fallbacks: 0.5, Listed([everything, []]))
    assert [trial.recipe.fallbacks for trial in result.trials] == [()]
    assert result.outcome == "best_effort"


def test_max_trials_ends_the_search() -> None:
    result = run(lambda fallbacks: 0.5, make_strategy("basic"), Budget(max_trials=2))
    assert len(result.trials) == 2
    assert "max_trials (2) was reached" in result.reason


def test_a_recipe_is_never_judged_twice() -> None:
    result = run(lambda fallbacks: 0.5, Listed([[], [], ["classifier"], []]))
    assert [trial.recipe.fallbacks for trial in result.trials] == [(), ("classifier",)]


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["nan", "inf"])
def test_a_metric_that_is_not_finite_fails_the_trial(value: float) -> None:
    result = run(lambda fallbacks: 0.5 if fallbacks else value, Listed([[], ["classifier"]]))
    assert result.trials[0].error == f"m is {value}"
    assert result.trials[0].value is None
    assert result.chosen.number == 2


def test_a_trial_that_raises_is_recorded_and_the_search_goes_on() -> None:
    def answer(fallbacks: set[str]) -> float:
        if not fallbacks:
            raise RuntimeError("boom")
        return 1.0

    result = run(answer, Listed([[], ["classifier"]]))
    assert result.trials[0].error == "RuntimeError: boom"
    assert result.outcome == "met"
    assert result.chosen.number == 2


def test_baseline_when_no_trial_could_be_evaluated() -> None:
    def answer(fallbacks: set[str]) -> float:
        raise RuntimeError("boom")

    result = run(answer, Listed([[], ["classifier"]]))
    assert result.outcome == "baseline"
    assert result.chosen.number == 0
    assert "trial 1: RuntimeError: boom; trial 2: RuntimeError: boom" in result.reason


def test_an_interrupt_is_not_swallowed() -> None:
    def answer(fallbacks: set[str]) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(answer, Listed([[]]))


def test_trials_can_be_written_as_json() -> None:
    trial = run(lambda fallbacks: 1.0, Listed([["classifier"]])).trials[0].to_dict()
    assert trial["fallbacks"] == ["classifier"]
    assert (trial["number"], trial["value"], trial["accepted"], trial["metrics"]) == (1, 1.0, True, {"m": 1.0})
