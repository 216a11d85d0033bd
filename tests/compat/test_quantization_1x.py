"""`Quantization` of Neural Compressor 1.x: what it takes, what it returns, what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny import sensitive_bert, tiny_bert, token_rows, tuning_config, with_labels_of
from torch import nn
from torch.utils.data import DataLoader
from transformers import DataCollatorWithPadding

from nc_trainer import ConfigError, QuantizationError, TuningConfig
from nc_trainer.experimental import Quantization, common
from nc_trainer.int8.quantize import is_int8


@pytest.fixture(autouse=True)
def _in_its_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loader(model: nn.Module, **options: Any) -> DataLoader:
    from helpers.tiny import tiny_tokenizer

    rows = with_labels_of(model, token_rows())
    return DataLoader(rows, batch_size=8, collate_fn=DataCollatorWithPadding(tiny_tokenizer()), **options)


def quantizer(float_model: nn.Module, conf: TuningConfig | None = None, **attributes: Any) -> Quantization:
    made = Quantization(conf or tuning_config(tuning={"accuracy_criterion": {"absolute": 0.5}}))
    made.model = float_model
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def test_the_best_model_comes_back_when_none_meets_the_criterion(caplog: pytest.LogCaptureFixture) -> None:
    values = iter([1.0, 0.2, 0.4])
    policy = {
        "accuracy_criterion": {"absolute": 0.01},
        "exit_policy": {"max_trials": 2},
        "strategy": {"name": "random"},
    }
    found = quantizer(tiny_bert(), tuning_config(tuning=policy), eval_func=lambda model: next(values))()
    assert found.result is not None
    assert found.result.outcome == "best_effort"
    assert found.result.chosen.value == 0.4
    assert is_int8(found.model)
    assert "no trial meets score >= 0.9900" in caplog.text


def test_a_model_comes_back_even_when_no_trial_could_run(tmp_path: Path) -> None:
    def fails_on_int8(model: nn.Module) -> float:
        if is_int8(model):
            raise RuntimeError("boom")
        return 1.0

    found = quantizer(tiny_bert(), eval_func=fails_on_int8, calib_dataloader=loader(tiny_bert()))()
    assert found.result is not None
    assert found.result.outcome == "baseline"
    found.save(tmp_path / "float")
    assert (tmp_path / "float" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("returned", "metric"),
    [(0.5, "score"), (torch.tensor(0.5), "score"), (np.float32(0.5), "score"), ({"f1": 0.5, "loss": 1}, "f1")],
    ids=["float", "tensor", "numpy", "mapping"],
)
def test_what_eval_func_may_return(returned: Any, metric: str) -> None:
    found = quantizer(tiny_bert(), eval_func=lambda model: returned)()
    assert found.result is not None
    assert (found.result.metric.name, found.result.baseline.value) == (metric, 0.5)


def test_a_list_needs_names() -> None:
    with pytest.raises(QuantizationError, match="eval_func returned list, expected a number"):
        quantizer(tiny_bert(), eval_func=lambda model: [0.5, 0.6])()
    several = {"accuracy_criterion": {"absolute": 0.1, "multi_metrics": {"metrics": ["f1", "accuracy"]}}}
    found = quantizer(tiny_bert(), tuning_config(tuning=several), eval_func=lambda model: [0.5, 0.6])()
    assert found.result is not None
    assert found.result.baseline.metrics["accuracy"] == 0.6


def test_eval_func_sees_the_model_in_evaluation_mode() -> None:
    modes = []
    model = tiny_bert().train()

    def evaluate(model: nn.Module) -> float:
        modes.append(model.training)
        return 1.0

    quantizer(model, eval_func=evaluate)()
    assert modes == [False, False]
    assert not model.training  # what was quantized does not train any more


def test_lower_is_better_when_the_file_says_so() -> None:
    values = iter([1.0, 3.0, *[1.2] * 50])
    rule = {"accuracy_criterion": {"absolute": 0.5, "higher_is_better": False}}
    calibration = loader(tiny_bert())
    found = quantizer(
        tiny_bert(), tuning_config(tuning=rule), eval_func=lambda model: next(values), calib_dataloader=calibration
    )()
    assert found.result is not None
    assert not found.result.trials[0].accepted
    assert found.result.outcome == "met"


@pytest.mark.parametrize("name", ["conservative", "mse_v2", "hawq_v2"])
def test_strategies_get_what_they_ask_for_from_the_dataloaders(name: str) -> None:
    model = sensitive_bert()
    tuning = {"accuracy_criterion": {"absolute": 0.05}, "strategy": {"name": name}, "exit_policy": {"max_trials": 30}}
    conf = tuning_config(tuning=tuning, evaluation={"accuracy": {"metric": "Accuracy"}})
    found = quantizer(model, conf, eval_dataloader=loader(model))()
    assert found.result is not None
    assert found.result.outcome == "met"
    assert "bert.pooler.dense" in found.result.recipe.fallbacks


class Mean:
    """A metric in the original's protocol: the share of rows whose class is the label, times a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.hits: list[bool] = []

    def update(self, predictions: Any, labels: Any) -> None:
        self.hits += list(predictions.argmax(-1) == labels)

    def reset(self) -> None:
        self.hits = []

    def result(self) -> float:
        return self.factor * float(np.mean(self.hits))


@pytest.mark.parametrize("wrapped", [True, False], ids=["common.Metric", "object"])
def test_a_metric_of_the_users(wrapped: bool) -> None:
    model = tiny_bert()
    metric = common.Metric(Mean, name="share", factor=2.0) if wrapped else Mean(2.0)
    found = quantizer(model, eval_dataloader=loader(model), metric=metric)()
    assert found.result is not None
    assert found.result.baseline.value == 2.0
    assert found.result.metric.name == ("share" if wrapped else "user_metric")


def test_rows_of_a_shuffled_dataloader_are_not_compared_one_by_one() -> None:
    model = tiny_bert()
    conf = tuning_config(
        tuning={"accuracy_criterion": {"absolute": 0.5}}, evaluation={"accuracy": {"metric": {"Accuracy": None}}}
    )
    found = quantizer(model, conf, eval_dataloader=loader(model, shuffle=True))()
    assert found.result is not None
    assert found.result.trials[0].flips is None


def test_pairs_of_inputs_and_labels_are_understood() -> None:
    model = tiny_bert()
    pairs = [((batch["input_ids"], batch["attention_mask"]), batch["labels"]) for batch in loader(model)]
    conf = tuning_config(
        tuning={"accuracy_criterion": {"absolute": 0.5}}, evaluation={"accuracy": {"metric": "Accuracy"}}
    )
    found = quantizer(model, conf, eval_dataloader=pairs)()
    assert found.result is not None
    assert found.result.baseline.value == 1.0


def test_several_metrics_of_the_file_are_judged_together() -> None:
    model = tiny_bert(num_labels=2)
    several = {"Accuracy": {}, "F1": {}, "weight": [0.5, 0.5]}
    conf = tuning_config(
        tuning={"accuracy_criterion": {"absolute": 0.5}}, evaluation={"accuracy": {"multi_metrics": several}}
    )
    found = quantizer(model, conf, eval_dataloader=loader(model))()
    assert found.result is not None
    assert found.result.metric.name == "0.5 accuracy + 0.5 f1"
    assert {"accuracy", "f1"} <= set(found.result.baseline.metrics)


def test_a_function_can_be_the_objective() -> None:
    seen = []

    def int8_modules(model: nn.Module) -> float:
        seen.append(is_int8(model))
        return float(sum(type(module).__name__.startswith("Int8") for module in model.modules()))

    found = quantizer(tiny_bert(), eval_func=lambda model: 1.0, objective=int8_modules)()
    assert found.result is not None
    assert seen == [False, True]
    assert found.result.baseline.objectives == {"int8_modules": 0.0}
    assert found.result.chosen.objectives == {"int8_modules": 14.0}
    assert "int8_modules" in found.result.table()


def test_an_objective_can_be_named() -> None:
    found = quantizer(tiny_bert(), eval_func=lambda model: 1.0, objective="modelsize")()
    assert found.result is not None
    assert set(found.result.chosen.objectives) == {"modelsize"}


def test_performance_only_needs_nothing_to_judge_by(caplog: pytest.LogCaptureFixture) -> None:
    found = quantizer(tiny_bert(), tuning_config(tuning={"exit_policy": {"performance_only": True}}))()
    assert is_int8(found.model)
    assert found.result is None
    assert "14 modules are int8 and nothing was evaluated" in caplog.text


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "There is nothing to judge recipes by: give `eval_func`"),
        ({"eval_dataloader": []}, "There is nothing to judge recipes by"),
        ({"eval_dataloader": [], "metric": Mean()}, "dataloader yields no batch"),
        (
            {"eval_func": lambda model: 1.0, "q_func": print},
            "is called under `quantization.approach",
        ),
        ({"eval_dataloader": [], "metric": object()}, "object has no .*'update'"),
        ({"eval_func": lambda model: 1.0, "objective": 3}, "found a int, expected a name or a function"),
        ({"eval_func": lambda model: 1.0, "objective": "speed"}, "`tuning.objective`: found the text 'speed'"),
        ({"eval_func": lambda model: 1.0, "model": None}, "no model was given"),
        ({"eval_func": lambda model: 1.0, "model": nn.Linear(2, 2)}, "Expected a transformers model, found a Linear"),
        ({"eval_func": lambda model: float("nan")}, "score is nan: there is nothing to compare with"),
        (
            {"eval_dataloader": [{"input_ids": torch.tensor([[1, 2]])}], "metric": Mean()},
            "A batch has no labels",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, QuantizationError), match=message):
        quantizer(tiny_bert(), **attributes)()


def test_an_int8_model_is_not_quantized_again() -> None:
    found = quantizer(tiny_bert(), eval_func=lambda model: 1.0)()
    with pytest.raises(QuantizationError, match="int8 already"):
        quantizer(found.model, eval_func=lambda model: 1.0)()


def test_without_a_calib_dataloader_the_batches_that_eval_func_uses_rank_the_modules() -> None:
    model = sensitive_bert()
    batches = list(loader(model))

    def evaluate(model: nn.Module) -> float:
        hits = [
            model(batch["input_ids"], batch["attention_mask"]).logits.argmax(-1) == batch["labels"]
            for batch in batches
        ]
        return float(torch.cat(hits).float().mean())

    found = quantizer(model, tuning_config(tuning={"accuracy_criterion": {"absolute": 0.05}}), eval_func=evaluate)()
    assert found.result is not None
    assert tuple(found.result.recipe.float_columns) == ("bert.pooler.dense",)


def test_without_any_rows_to_rank_by_the_search_says_what_to_give() -> None:
    values = iter([1.0, 0.0])
    with pytest.raises(QuantizationError, match="give `calib_dataloader`"):
        quantizer(tiny_bert(), eval_func=lambda model: next(values))()


def test_a_search_that_failed_before_it_found_anything_out_leaves_no_journal(tmp_path: Path) -> None:
    with pytest.raises(QuantizationError, match="eval_func returned NoneType"):
        quantizer(tiny_bert(), eval_func=lambda model: None)()
    assert not list((tmp_path / "nc_workspace").iterdir())


def test_an_interrupted_search_goes_on_in_the_workspace(tmp_path: Path) -> None:
    calls: list[int] = []

    def killed(model: nn.Module) -> float:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return 1.0

    model = tiny_bert()
    with pytest.raises(KeyboardInterrupt):
        quantizer(model, eval_func=killed)()
    assert (tmp_path / "nc_workspace" / "_tuning.jsonl").exists()
    assert not is_int8(model)
    quantized = quantizer(model, eval_func=lambda model: 1.0)()
    assert is_int8(quantized.model)
    quantized.save(tmp_path / "saved")
    assert not (tmp_path / "nc_workspace" / "_tuning.jsonl").exists()


def test_a_model_passes_everything_on() -> None:
    model = common.Model(tiny_bert())
    assert model.config.num_labels == 3
    assert common.Model(model).model is model.model
    with pytest.raises(AttributeError):
        _ = model.no_such_attribute
