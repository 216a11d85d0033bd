"""What each setting may hold, whether it comes from a mapping or from Python."""

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer.config import (
    AccuracyCriterion,
    CalibrationConfig,
    EarlyStoppingConfig,
    EvaluationAccuracy,
    EvaluationConfig,
    ExitPolicy,
    ModelConfig,
    MultiMetrics,
    MultiObjectives,
    QuantizationConfig,
    StrategyConfig,
    TuningConfig,
    TuningSection,
    Workspace,
)
from nc_trainer.errors import ConfigError


def test_the_defaults_are_these() -> None:
    assert TuningConfig().to_dict() == {
        "model": {"name": "model", "framework": "pytorch"},
        "device": "cpu",
        "quantization": {
            "approach": "post_training_dynamic_quant",
            "calibration": {"sampling_size": 64},
            "quant_aware_training": {"distillation": 0.0},
            "recipes": {
                "first_conv_or_matmul_quantization": True,
                "last_conv_or_matmul_quantization": True,
                "float_columns": True,
            },
            "model_wise": None,
            "optype_wise": None,
            "op_wise": None,
            "embeddings": False,
            "float_dtype": "auto",
        },
        "evaluation": {
            "accuracy": {"metric": None, "multi_metrics": None},
            "performance": {
                "warmup": None,
                "iteration": None,
                "configs": {
                    "cores_per_instance": None,
                    "num_of_instance": None,
                    "inter_num_of_threads": None,
                    "intra_num_of_threads": None,
                    "kmp_blocktime": None,
                    "kmp_affinity": None,
                },
            },
        },
        "tuning": {
            "strategy": {"name": "basic"},
            "accuracy_criterion": {
                "relative": 0.01,
                "absolute": None,
                "agreement": 0.995,
                "per_label": None,
                "higher_is_better": None,
                "multi_metrics": {"metrics": None, "weight": None, "higher_is_better": None},
            },
            "objective": "performance",
            "multi_objectives": {"objective": None, "weight": None, "higher_is_better": None},
            "shapley": {
                "report": False,
                "rows": 20,
                "max_evals": 500,
                "column": None,
                "seed": None,
                "inc_shapley_mse": False,
            },
            "exit_policy": {"timeout": 0.0, "max_trials": 100, "performance_only": False},
            "early_stopping": {"enabled": True, "error_rate": 0.0},
            "random_seed": 1978,
            "metric": None,
            "tensorboard": False,
            "workspace": {"path": None, "resume": None},
            "report": {"enabled": True, "examples": "local", "timing": 20.0, "ranking": False, "plots": False},
        },
        "version": "1.0",
    }


@pytest.mark.parametrize(
    ("value", "rows"),
    [(100, 100), ([100], 100), ([50, 200, 100], 200), ("1000, 2000", 2000), ("7", 7)],
    ids=["number", "list-of-one", "list", "text", "text-of-one"],
)
def test_of_several_sampling_sizes_the_largest_is_used(value: Any, rows: int) -> None:
    assert CalibrationConfig(sampling_size=value).sampling_size == rows


@pytest.mark.parametrize("value", [0, [], "", "10,", "a", [True], 1.5, [[3]], "1, -2"], ids=repr)
def test_sampling_size_refuses(value: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"`quantization\.calibration\.sampling_size`: found .*expected a whole number"
    ):
        CalibrationConfig(sampling_size=value)


def test_a_negative_loss_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="a negative loss would ask int8 to beat the float model"):
        AccuracyCriterion(relative=-0.01)


def test_an_absent_section_and_a_section_without_content_take_the_defaults() -> None:
    assert TuningConfig.from_dict({}) == TuningConfig()
    assert TuningConfig.from_dict({"tuning": None, "quantization": {"calibration": None}}) == TuningConfig()


@pytest.mark.parametrize(
    ("given_value", "stored"),
    [(0.05, 0.05), (0, 0.0), ("1%", 0.01), (" 2.5 % ", 0.025), ("1e-2", 0.01), (np.float32(0.5), 0.5)],
    ids=["float", "zero", "percent", "percent-spaced", "yaml-1.1-exponent", "numpy"],
)
def test_relative_loss_accepts(given_value: Any, stored: float) -> None:
    criterion = AccuracyCriterion(relative=given_value)
    assert (criterion.relative, type(criterion.relative), criterion.absolute) == (stored, float, None)


@pytest.mark.parametrize(
    "value",
    [
        1,
        1.0,
        "100%",
        -0.01,
        "-1%",
        True,
        math.nan,
        math.inf,
        "nan",
        "inf%",
        "little",
        "%",
        "",
        [0.01],
        10**400,
    ],
    ids=repr,
)
def test_relative_loss_refuses(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"`tuning\.accuracy_criterion\.relative`: found .*expected"):
        AccuracyCriterion(relative=value)


def test_absolute_loss_has_no_upper_bound_but_a_sign() -> None:
    assert AccuracyCriterion(absolute=3).absolute == 3.0
    assert AccuracyCriterion(absolute="1%").absolute == 0.01  # type: ignore[arg-type]
    for refused in (-0.1, math.inf, math.nan, False):
        with pytest.raises(ConfigError, match=r"`tuning\.accuracy_criterion\.absolute`: found"):
            AccuracyCriterion(absolute=refused)


def test_absolute_alone_leaves_relative_unset() -> None:
    assert AccuracyCriterion(absolute=0.02).relative is None


def test_without_a_word_about_objectives_performance_is_the_objective() -> None:
    assert TuningSection().objective == "performance"
    assert TuningSection(multi_objectives=MultiObjectives(objective=("modelsize",))).objective is None


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        (
            {"objective": "accuracy", "multi_objectives": {"objective": ["modelsize"]}},
            "`tuning`: found both `objective` (accuracy) and `multi_objectives`",
        ),
        (
            {"metric": "f1", "accuracy_criterion": {"multi_metrics": {"metrics": ["f1", "mse"]}}},
            "`tuning`: found both `metric` (f1) and `accuracy_criterion.multi_metrics`",
        ),
        (
            {"multi_objectives": {"objective": ["accuracy", "modelsize"], "weight": [1]}},
            "`tuning.multi_objectives.weight`: found 1 values, expected 2: one for each of `objective`.",
        ),
        ({"multi_objectives": {"weight": [1]}}, "`tuning.multi_objectives.weight`: found 1 values, expected 0"),
        (
            {"multi_objectives": {"objective": ["modelsize"], "weight": [0]}},
            "`tuning.multi_objectives.weight`: all weights are 0",
        ),
        (
            {"multi_objectives": {"objective": ["performance"], "higher_is_better": [True]}},
            "`tuning.multi_objectives.higher_is_better`: found true for `performance`, expected false",
        ),
        (
            {"multi_objectives": {"objective": ["modelsize", "modelsize"]}},
            "`tuning.multi_objectives.objective`: found ['modelsize', 'modelsize'], expected each only once",
        ),
        (
            {"multi_objectives": {"objective": ["speed"]}},
            "`tuning.multi_objectives.objective`: found a list, expected a list of: 'performance' or",
        ),
        ({"objective": "speed"}, "`tuning.objective`: found the text 'speed', expected 'performance' or"),
        (
            {"accuracy_criterion": {"multi_metrics": {"metrics": ["f1"], "weight": [-1]}}},
            "`tuning.accuracy_criterion.multi_metrics.weight`: found a list, expected a list of: a number",
        ),
        (
            {"accuracy_criterion": {"multi_metrics": {"metrics": ["f1"], "weight": [0]}}},
            "`tuning.accuracy_criterion.multi_metrics.weight`: all weights are 0",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_named(tuning: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TuningConfig.from_dict({"tuning": tuning})
    assert str(caught.value).startswith(message)


def test_both_criteria_at_once_are_refused_naming_both() -> None:
    with pytest.raises(ConfigError, match=r"both `relative` \(0.01\) and `absolute` \(0.5\).*exactly one"):
        TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"relative": "1%", "absolute": 0.5}}})


@pytest.mark.parametrize(
    ("tree", "key", "found"),
    [
        ({"model": {"name": " "}}, "model.name", "the text ' '"),
        ({"model": {"framework": "tensorflow"}}, "model.framework", "the text 'tensorflow'"),
        ({"device": None}, "device", "nothing"),
        ({"quantization": {"approach": "dynamic"}}, "quantization.approach", "the text 'dynamic'"),
        ({"quantization": {"embeddings": "yes"}}, "quantization.embeddings", "the text 'yes'"),
        ({"quantization": {"embeddings": 1}}, "quantization.embeddings", "1"),
        (
            {"quantization": {"calibration": {"sampling_size": [100, 0]}}},
            "quantization.calibration.sampling_size",
            "a list",
        ),
        ({"tuning": {"strategy": {"name": 5}}}, "tuning.strategy.name", "5"),
        (
            {"tuning": {"accuracy_criterion": {"higher_is_better": "true"}}},
            "tuning.accuracy_criterion.higher_is_better",
            "the text 'true'",
        ),
        ({"tuning": {"exit_policy": {"timeout": -1}}}, "tuning.exit_policy.timeout", "-1"),
        ({"tuning": {"exit_policy": {"timeout": "1%"}}}, "tuning.exit_policy.timeout", "the text '1%'"),
        ({"tuning": {"exit_policy": {"max_trials": 0}}}, "tuning.exit_policy.max_trials", "0"),
        ({"tuning": {"exit_policy": {"max_trials": 3.0}}}, "tuning.exit_policy.max_trials", "3.0"),
        ({"tuning": {"random_seed": -1}}, "tuning.random_seed", "-1"),
        ({"tuning": {"random_seed": 2**32}}, "tuning.random_seed", "4294967296"),
        ({"tuning": {"random_seed": True}}, "tuning.random_seed", "true"),
        ({"tuning": {"metric": ""}}, "tuning.metric", "the text ''"),
        ({"version": 3.0}, "version", "3.0"),
        ({"version": True}, "version", "true"),
        ({"version": "1.x"}, "version", "the text '1.x'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_that_does_not_fit_is_named_with_its_dotted_key(tree: dict[str, Any], key: str, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TuningConfig.from_dict(tree)
    assert str(caught.value).startswith(f"`{key}`: found {found}, expected ")


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(ConfigError) as caught:
        TuningConfig(device="x" * 10_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("version", ["1.0", 1.0, 1, 2, 2.6, "1.14.2"], ids=repr)
def test_versions_1_and_2_are_accepted(version: Any) -> None:
    assert TuningConfig.from_dict({"version": version}).version == str(version)


def test_replace_checks_the_new_value_and_keeps_the_rest() -> None:
    policy = ExitPolicy(timeout=60, max_trials=5)
    assert dataclasses.replace(policy, max_trials=7) == ExitPolicy(timeout=60.0, max_trials=7)
    with pytest.raises(ConfigError, match="max_trials"):
        dataclasses.replace(policy, max_trials=0)


def test_a_section_in_python_must_be_of_its_class() -> None:
    with pytest.raises(ConfigError, match=r"`tuning`: found a mapping, expected a TuningSection"):
        TuningConfig(tuning={"random_seed": 1})  # type: ignore[arg-type]


def test_a_configuration_is_frozen_and_hashable() -> None:
    config = TuningConfig()
    assert hash(config) == hash(TuningConfig())
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.device = "gpu"  # type: ignore[misc]


losses = st.floats(0, 1, exclude_max=True)
positive = st.floats(0.1, 10)
several_metrics = st.just(MultiMetrics()) | st.builds(
    MultiMetrics, metrics=st.just(["f1", "accuracy"]), weight=st.none() | st.lists(positive, min_size=2, max_size=2)
)
several_objectives = st.just(MultiObjectives()) | st.builds(
    MultiObjectives,
    objective=st.just(["accuracy", "modelsize", "performance"]),
    weight=st.none() | st.lists(positive, min_size=3, max_size=3),
    higher_is_better=st.none() | st.just([True, False, False]),
)
criteria = st.one_of(
    st.builds(
        AccuracyCriterion,
        relative=losses,
        higher_is_better=st.none() | st.booleans(),
        multi_metrics=several_metrics,
    ),
    st.builds(AccuracyCriterion, absolute=st.floats(0, 1e6), higher_is_better=st.none() | st.booleans()),
)
visible_texts = st.text(min_size=1).filter(str.strip)
dtypes = st.sampled_from(["int8", "fp32", ["int8"], ["fp32"], ["fp32", "int8"]])
module_rules = st.fixed_dictionaries(
    {},
    optional={
        "weight": st.fixed_dictionaries({}, optional={"dtype": dtypes, "scheme": st.just("sym"), "bit": st.just(8)}),
        "activation": st.fixed_dictionaries({}, optional={"dtype": dtypes, "algorithm": st.just(["minmax"])}),
    },
)
named_metrics = st.sampled_from(["F1", {"Accuracy": None}, {"GLUE": {"task": "mrpc"}}, {"topk": 5}])
evaluated = st.builds(EvaluationAccuracy, metric=st.none() | named_metrics) | st.builds(
    EvaluationAccuracy,
    multi_metrics=st.just({"F1": {}, "MSE": {}, "weight": [1, 2], "higher_is_better": [True, False]}),
)
configurations = st.builds(
    TuningConfig,
    model=st.builds(ModelConfig, name=visible_texts, framework=st.sampled_from(["pytorch", "pytorch_fx"])),
    quantization=st.builds(
        QuantizationConfig,
        calibration=st.builds(CalibrationConfig, sampling_size=st.integers(1)),
        embeddings=st.booleans(),
        float_dtype=st.sampled_from(["auto", "float32", "bfloat16"]),
        model_wise=st.none() | module_rules,
        optype_wise=st.none() | st.dictionaries(st.sampled_from(["Linear", "Emb.*"]), module_rules),
        op_wise=st.none()
        | st.dictionaries(st.from_regex(r"[a-z]{1,5}(\.[a-z0-9]{1,3}){0,3}", fullmatch=True), module_rules),
    ),
    tuning=st.builds(
        TuningSection,
        strategy=st.just(StrategyConfig(name="basic")),
        accuracy_criterion=criteria,
        multi_objectives=several_objectives,
        exit_policy=st.builds(
            ExitPolicy, timeout=st.floats(0, 1e9), max_trials=st.integers(1), performance_only=st.booleans()
        ),
        early_stopping=st.builds(EarlyStoppingConfig, enabled=st.booleans(), error_rate=st.floats(0, 0.49)),
        random_seed=st.integers(0, 2**32 - 1),
        tensorboard=st.booleans(),
        workspace=st.builds(Workspace, path=st.none() | visible_texts, resume=st.none() | visible_texts),
    ),
    evaluation=st.builds(EvaluationConfig, accuracy=evaluated),
    version=st.sampled_from(["1.0", "2.6"]),
)


@given(configurations)
def test_to_dict_survives_json_and_from_dict(config: TuningConfig) -> None:
    assert TuningConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
