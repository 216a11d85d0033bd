"""Objectives through `quantize()`: what they measure, when they are measured, and what they choose."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import config, tiny_bert, tiny_trainer
from safetensors import safe_open
from torch import nn
from transformers import EvalPrediction

from nc_trainer import ConfigError, TuningConfig
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.search import CompleteTrial, Metric, Study
from nc_trainer.search.objectives import recipe_timing
from nc_trainer.search.objectives.goal import RelativeTime, make_goal, resident_bytes, saved_bytes
from nc_trainer.search.objectives.objective import Reading
from nc_trainer.search.strategies import STRATEGIES, Proposals, SearchSpace

BATCH = {"input_ids": torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])}


class EverythingThenHeads:
    """Three recipes, all of them accepted: everything in int8, the classifier in float, the encoder in float."""

    finishes_itself = False

    def proposals(self, space: SearchSpace) -> Proposals:
        yield space.recipe
        yield space.recipe.with_fallbacks(["classifier"])
        yield space.recipe.with_fallbacks([name for name in space.recipe.modules if "encoder" in name])

    def expected_trials(self, modules: int) -> int:
        return 3


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(STRATEGIES, "three", EverythingThenHeads)
    return "three"


def chosen_by(timeout: float = 600, **tuning: Any) -> TuningConfig:
    sections: dict[str, Any] = {"strategy": {"name": "three"}, "exit_policy": {"timeout": timeout}}
    return config(1.0, **sections | tuning)


def stopwatch(seconds: Mapping[int, float]) -> Callable[..., Any]:
    """`time_interleaved` for planted times: those of the float model by key 14, of a trial by its int8 modules."""

    def timed(runs: Any, *, warmup: int, iterations: int, before: Callable[[str], object]) -> dict[str, list[float]]:
        found = {}
        for name, run in runs.items():
            before(name)
            run()
            found[name] = [seconds[stopwatch_model.int8()]] * iterations
        return found

    return timed


class Model:
    """What the planted stopwatch looks at."""

    def __init__(self) -> None:
        self.model: nn.Module = nn.Module()

    def int8(self) -> int:
        return sum(type(module).__name__.startswith("Int8") for module in self.model.modules())


stopwatch_model = Model()


def test_the_fastest_of_the_accepted_recipes_is_chosen(
    tmp_path: Path, three: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_bert()
    stopwatch_model.model = model
    monkeypatch.setattr(recipe_timing, "time_interleaved", stopwatch({0: 4.0, 14: 3.0, 13: 2.0, 2: 3.5}))
    result = tiny_trainer(tmp_path, model).quantize(chosen_by())
    assert [dict(trial.objectives) for trial in result.trials] == [
        {"performance": 0.75},
        {"performance": 0.5},
        {"performance": 0.875},
    ]
    assert result.baseline.objectives == {"performance": 1.0}
    assert result.chosen.number == 2
    assert result.reason.endswith("best in performance of the 3 that do")
    table = result.table().splitlines()
    assert "performance" in table[0]
    assert "0.875" in table[4]


def test_times_that_cannot_be_told_apart_leave_the_choice_to_the_weights_in_int8(
    tmp_path: Path, three: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter([Reading(0.55, 0.1), Reading(0.5, 0.1), Reading(0.9, 0.1)])
    monkeypatch.setattr(RelativeTime, "__call__", lambda self, trial: next(readings) if trial.number else Reading(1.0))
    result = tiny_trainer(tmp_path).quantize(chosen_by())
    assert result.chosen.number == 1
    assert "0.55 ±0.1" in result.table()


def test_without_a_timeout_nothing_is_timed(tmp_path: Path, three: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_timing, "time_interleaved", lambda *args, **kwargs: pytest.fail("timed"))
    result = tiny_trainer(tmp_path).quantize(chosen_by(timeout=0))
    assert len(result.trials) == 1
    assert result.trials[0].objectives == {}
    assert "performance" not in result.table()


def test_when_the_time_is_up_nothing_more_is_timed(
    tmp_path: Path, three: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(prediction: EvalPrediction) -> dict[str, float]:
        if calls:
            monkeypatch.setattr(Study, "_deadline", lambda self: 0.0)
        calls.append(1)
        return {"accuracy": 1.0}

    calls: list[int] = []
    monkeypatch.setattr(recipe_timing, "time_interleaved", lambda *args, **kwargs: pytest.fail("timed"))
    result = tiny_trainer(tmp_path, compute_metrics=slow).quantize(chosen_by())
    assert result.outcome == "met"
    assert [dict(trial.objectives) for trial in result.trials] == [{}]


@pytest.mark.parametrize("name", ["modelsize", "footprint"])
def test_the_smallest_is_everything_in_int8(tmp_path: Path, three: str, name: str) -> None:
    result = tiny_trainer(tmp_path).quantize(chosen_by(objective=name))
    sizes = [trial.objectives[name] for trial in result.trials]
    assert sizes[0] < sizes[1] < sizes[2] < result.baseline.objectives[name]
    assert result.chosen.number == 1
    assert " MB" in result.table()


def test_accuracy_as_the_objective_chooses_the_best_metric(tmp_path: Path, three: str) -> None:
    values = iter([0.9, 0.5, 0.7, 0.6])
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: {"accuracy": next(values)})
    result = trainer.quantize(chosen_by(objective="accuracy"))
    assert result.chosen.number == 2
    assert result.chosen.objectives == {"accuracy": 0.7}


def test_several_objectives_are_weighed(tmp_path: Path, three: str) -> None:
    values = iter([0.9, 0.5, 0.7, 0.6])
    several = {"objective": ["accuracy", "modelsize"], "weight": [100, 0], "higher_is_better": [True, False]}
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: {"accuracy": next(values)})
    result = trainer.quantize(chosen_by(multi_objectives=several))
    assert result.chosen.number == 2
    assert set(result.chosen.objectives) == {"accuracy", "modelsize"}


def test_the_direction_of_accuracy_is_that_of_the_metric(tmp_path: Path, three: str) -> None:
    several = {"objective": ["accuracy"], "higher_is_better": [False]}
    with pytest.raises(ConfigError, match="found false for `accuracy`, which is accuracy here, expected true"):
        tiny_trainer(tmp_path).quantize(chosen_by(multi_objectives=several))


@pytest.mark.parametrize("fallbacks", [[], ["classifier"]], ids=["int8", "one-fallback"])
def test_modelsize_is_the_size_of_the_saved_tensors(tmp_path: Path, fallbacks: list[str]) -> None:
    trainer = tiny_trainer(tmp_path)
    rules = {name: {"weight": {"dtype": "fp32"}} for name in fallbacks}
    result = trainer.quantize(
        TuningConfig.from_dict(
            {
                "quantization": {"op_wise": rules},
                "tuning": {"objective": "modelsize", "accuracy_criterion": {"absolute": 1.0}},
            }
        )
    )
    trainer.save_model()
    file = tmp_path / "out" / "model.safetensors"
    header = int.from_bytes(file.read_bytes()[:8], "little")
    assert result.chosen.objectives["modelsize"] == file.stat().st_size - 8 - header
    with safe_open(str(file), framework="pt") as tensors:
        assert len(tensors.keys()) > 0


def test_footprint_counts_what_is_not_saved_and_shared_memory_once() -> None:
    weight = nn.Parameter(torch.zeros(4, 4))
    module = nn.ParameterDict({"one": weight, "tied": weight})
    module.register_buffer("cache", torch.zeros(8), persistent=False)
    assert saved_bytes(module) == 64
    assert resident_bytes(module) == 64 + 32


def test_timing_takes_turns_between_both_recipes_and_ends_in_the_trials() -> None:
    model = tiny_bert()
    swapper = ModuleSwapper(model)
    recipe = full_recipe(model)
    seen: list[int] = []
    stopwatch_model.model = model
    model.register_forward_pre_hook(lambda *args: seen.append(stopwatch_model.int8()))
    swapper.apply(recipe)
    measure = RelativeTime(swapper, recipe.with_fallbacks(recipe.modules), lambda: [BATCH])
    value, error = measure(CompleteTrial(1, recipe, 1.0, True, 1.0))
    assert value > 0
    assert error >= 0
    assert sorted(seen[:2]) == [0, 14]
    assert seen.count(0) == seen.count(14) == len(seen) // 2
    assert stopwatch_model.int8() == 14
    assert not model.training


def test_the_float_model_takes_as_long_as_itself() -> None:
    swapper = ModuleSwapper(tiny_bert())
    recipe = full_recipe(swapper.model)
    in_float = recipe.with_fallbacks(recipe.modules)
    measure = RelativeTime(swapper, in_float, lambda: pytest.fail("batches were made"))
    assert measure(CompleteTrial(0, in_float, 1.0, True, 1.0)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("tuning", "measured"),
    [
        ({}, False),
        ({"objective": "modelsize"}, True),
        ({"exit_policy": {"timeout": 1}}, True),
        ({"multi_objectives": {"objective": ["modelsize", "performance"]}}, False),
    ],
    ids=["time-without-timeout", "size-without-timeout", "time-with-timeout", "both-without-timeout"],
)
def test_what_costs_time_is_measured_only_where_it_can_matter(tuning: dict[str, Any], measured: bool) -> None:
    section = TuningConfig.from_dict({"tuning": tuning}).tuning
    swapper = ModuleSwapper(tiny_bert())
    recipe = full_recipe(swapper.model)
    goal = make_goal(section, Metric("accuracy", True), swapper, recipe, lambda: [BATCH])
    assert (goal is not None) is measured


def test_performance_only_accepts_the_first_recipe_and_reports_its_metric(tmp_path: Path) -> None:
    values = iter([0.9, 0.1])
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: {"accuracy": next(values)})
    result = trainer.quantize(TuningConfig.from_dict({"tuning": {"exit_policy": {"performance_only": True}}}))
    assert result.outcome == "met"
    assert [trial.value for trial in result.trials] == [0.1]
    assert result.recipe.fallbacks == ()
    assert "any accuracy (performance_only)" in result.reason
