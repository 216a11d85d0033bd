"""`quantization.fit` and the configuration classes of Neural Compressor 2.x."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import sensitive_bert, tiny_bert, token_rows, with_labels_of
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

from nc_trainer import ConfigError, quantization
from nc_trainer.config import AccuracyCriterion, PostTrainingQuantConfig, TuningConfig, TuningCriterion
from nc_trainer.experimental.common import Metric
from nc_trainer.int8.quantize import is_int8


@pytest.fixture(autouse=True)
def _in_its_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_fit_with_an_eval_func(tmp_path: Path) -> None:
    conf = PostTrainingQuantConfig(
        approach="dynamic",
        accuracy_criterion=AccuracyCriterion(higher_is_better=True, criterion="relative", tolerable_loss=0.05),
        tuning_criterion=TuningCriterion(max_trials=600, objective="performance"),
    )
    q_model = quantization.fit(tiny_bert(), conf, calib_dataloader=None, eval_func=lambda model: 0.9)
    q_model.save("./saved_results")
    assert q_model.result is not None
    assert q_model.result.reason == "trial 1 meets score >= 0.8550 (relative 0.05 of 0.9000)"
    assert is_int8(AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved_results"))


def test_fit_with_a_dataloader_and_a_metric() -> None:
    from helpers.tiny import tiny_tokenizer

    class Hits:
        def update(self, predictions: Any, labels: Any) -> None:
            self.share = float((predictions.argmax(-1) == labels).mean())

        def reset(self) -> None:
            self.share = 0.0

        def result(self) -> float:
            return self.share

    model = sensitive_bert()
    rows = with_labels_of(model, token_rows())
    loader = DataLoader(rows, batch_size=8, collate_fn=DataCollatorWithPadding(tiny_tokenizer()))
    conf = PostTrainingQuantConfig(accuracy_criterion=AccuracyCriterion(criterion="absolute", tolerable_loss=0.05))
    q_model = quantization.fit(model, conf, eval_dataloader=loader, eval_metric=Metric(Hits, name="hits"))
    assert q_model.result is not None
    assert tuple(q_model.result.recipe.float_columns) == ("bert.pooler.dense",)


def test_fit_without_anything_to_judge_by_quantizes_everything_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    fp32 = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
    q_model = quantization.fit(tiny_bert(), PostTrainingQuantConfig(op_name_dict={"classifier": fp32}))
    assert is_int8(q_model.model)
    assert isinstance(q_model.model.classifier, torch.nn.Linear)
    assert "13 modules are int8 and nothing was evaluated" in caplog.text


def test_half_of_what_is_judged_by_is_refused() -> None:
    with pytest.raises(ConfigError, match="`eval_metric` needs `eval_dataloader`"):
        quantization.fit(tiny_bert(), eval_metric=Metric(dict))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="`calib_func` calibrates static scales"):
        quantization.fit(tiny_bert(), calib_func=print)


def test_the_2x_words_mean_the_same_as_the_files() -> None:
    fp32 = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
    conf = PostTrainingQuantConfig(
        calibration_sampling_size=[100, 50],
        op_type_dict={"Conv1D": fp32},
        op_name_dict={"classifier": fp32},
        recipes={"first_conv_or_matmul_quantization": False, "smooth_quant": False},
        excluded_precisions=["bf16"],
        accuracy_criterion=AccuracyCriterion(criterion="absolute", tolerable_loss="1%"),
        tuning_criterion=TuningCriterion(strategy="mse_v2", timeout=60, max_trials=7, objective="modelsize"),
    )
    assert conf.config == TuningConfig.from_dict(
        {
            "quantization": {
                "calibration": {"sampling_size": 100},
                "optype_wise": {"Conv1D": fp32},
                "op_wise": {"classifier": fp32},
                "recipes": {"first_conv_or_matmul_quantization": False},
                "float_dtype": "float32",
            },
            "tuning": {
                "strategy": {"name": "mse_v2"},
                "accuracy_criterion": {"absolute": 0.01},
                "exit_policy": {"timeout": 60, "max_trials": 7},
                "objective": "modelsize",
            },
        }
    )


def test_the_defaults_are_those_of_the_file() -> None:
    assert PostTrainingQuantConfig().config == TuningConfig()
    assert AccuracyCriterion(criterion="relative") == AccuracyCriterion()


def test_level_0_is_the_conservative_strategy() -> None:
    assert PostTrainingQuantConfig(quant_level=0).config.tuning.strategy.name == "conservative"


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("accuracy", {"objective": "accuracy"}),
        (["accuracy"], {"objective": "accuracy"}),
        (["accuracy", "modelsize"], {"multi_objectives": {"objective": ["accuracy", "modelsize"]}}),
        (
            {"objective": ["accuracy", "modelsize"], "weight": [0.8, 0.2], "higher_is_better": [True, False]},
            {
                "multi_objectives": {
                    "objective": ["accuracy", "modelsize"],
                    "weight": [0.8, 0.2],
                    "higher_is_better": [True, False],
                }
            },
        ),
    ],
    ids=["text", "list-of-one", "list", "mapping"],
)
def test_an_objective_may_be_one_or_several(objective: Any, expected: dict[str, Any]) -> None:
    conf = PostTrainingQuantConfig(tuning_criterion=TuningCriterion(objective=objective))
    assert conf.config == TuningConfig.from_dict({"tuning": expected})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"approach": "static"}, "`PostTrainingQuantConfig.approach`: found 'static', expected 'dynamic'"),
        ({"approach": "weight_only"}, "`PostTrainingQuantConfig.approach`: found 'weight_only'"),
        ({"backend": "ipex"}, "`PostTrainingQuantConfig.backend`: found 'ipex', expected 'default'"),
        ({"device": "gpu"}, "`device`: 'gpu' is known from Neural Compressor"),
        ({"reduce_range": True}, "`PostTrainingQuantConfig.reduce_range`: found True, expected None or False"),
        ({"quant_level": 2}, "`PostTrainingQuantConfig.quant_level`: found 2, expected 'auto' or 0 or 1"),
        ({"diagnosis": True}, "`PostTrainingQuantConfig.diagnosis`"),
        ({"recipes": {"smooth_quant": True}}, "`PostTrainingQuantConfig.recipes`: found ['smooth_quant']"),
        ({"excluded_precisions": ["fp16"]}, "`PostTrainingQuantConfig.excluded_precisions`: found ['fp16']"),
        (
            {"op_name_dict": {"classifier": {"weight": {"bits": [4]}}}},
            "`quantization.op_wise.classifier.weight.bits`: unknown key.",
        ),
        (
            {"op_type_dict": {"Linear": {"weight": {"algorithm": ["kl"]}}}},
            "`quantization.optype_wise.Linear.weight.algorithm`: found the text 'kl'",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_what_is_not_built_is_refused_by_its_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PostTrainingQuantConfig(**arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AccuracyCriterion(criterion="both"), "`criterion`: found the text 'both'"),
        (lambda: AccuracyCriterion(relative=0.1, tolerable_loss=0.1), "`tolerable_loss` is `relative` or `absolute`"),
        (lambda: AccuracyCriterion(tolerable_loss=2), "`tuning.accuracy_criterion.relative`: found 2"),
        (lambda: TuningCriterion(strategy_kwargs={"seed": 1}), "`TuningCriterion.strategy_kwargs`: found ['seed']"),
        (
            lambda: TuningCriterion(objective={"weights": [1]}).objectives(),
            "`TuningCriterion.objective`: found a mapping",
        ),
    ],
    ids=["criterion", "both-ways", "too-large", "kwargs", "objective"],
)
def test_what_does_not_fit_in_the_2x_words_is_named(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(message)
