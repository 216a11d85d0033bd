"""What a configuration says about single modules, on made-up names."""

from typing import Any

import pytest

from nc_trainer import Precision, Recipe
from nc_trainer.config import QuantizationConfig, RecipesConfig
from nc_trainer.errors import ConfigError
from nc_trainer.search.constraints import Constraints, constrain

KINDS = {
    "": "BertForSequenceClassification",
    "embeddings": "Embedding",
    "layer.0": "Layer",
    "layer.0.query": "Linear",
    "layer.0.norm": "LayerNorm",
    "layer.1": "Layer",
    "layer.1.query": "Linear",
    "layer.1.dense": "Conv1D",
    "classifier": "Linear",
}
PRECISIONS = {
    "Linear": Precision.INT8_DYNAMIC,
    "Conv1D": Precision.INT8_DYNAMIC,
    "Embedding": Precision.INT8_WEIGHT_ONLY,
}
RECIPE = Recipe({name: PRECISIONS[kind] for name, kind in KINDS.items() if kind in PRECISIONS})
FP32: dict[str, Any] = {"weight": {"dtype": "fp32"}, "activation": {"dtype": "fp32"}}
INT8: dict[str, Any] = {"weight": {"dtype": "int8"}, "activation": {"dtype": "int8"}}
FREE: dict[str, Any] = {"weight": {"dtype": ["int8", "fp32"]}, "activation": {"dtype": ["int8", "fp32"]}}


def constrained(**quantization: Any) -> Constraints:
    return constrain(QuantizationConfig(**quantization), RECIPE, KINDS)


def refusal(**quantization: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        constrained(**quantization)
    return str(caught.value)


def test_without_a_word_everything_is_free() -> None:
    assert constrained() == Constraints(RECIPE)
    assert constrained().free == tuple(RECIPE.modules)


def test_fp32_is_a_fixed_fallback() -> None:
    found = constrained(op_wise={"classifier": FP32})
    assert found.recipe.fallbacks == ("classifier",)
    assert "classifier" not in found.free


def test_int8_never_falls_back() -> None:
    found = constrained(op_wise={"classifier": INT8})
    assert found.always_int8 == {"classifier"}
    assert "classifier" in found.recipe.quantized
    assert "classifier" not in found.free


def test_op_wise_beats_optype_wise_beats_model_wise() -> None:
    found = constrained(model_wise=INT8, optype_wise={"Linear": FP32}, op_wise={"layer.1.query": FREE})
    assert found.recipe.fallbacks == ("layer.0.query", "classifier")
    assert found.free == ("layer.1.query",)
    assert found.always_int8 == {"embeddings", "layer.1.dense"}


def test_a_regular_expression_matches_whole_names() -> None:
    assert constrained(op_wise={r"layer\.\d+\.query": FP32}).recipe.fallbacks == ("layer.0.query", "layer.1.query")
    assert constrained(op_wise={r"layer\.1\..*": FP32}).recipe.fallbacks == ("layer.1.query", "layer.1.dense")


def test_a_regular_expression_matches_types() -> None:
    assert constrained(optype_wise={"Conv.*": FP32}).recipe.fallbacks == ("layer.1.dense",)


def test_a_full_name_beats_a_regular_expression_wherever_it_stands() -> None:
    for rules in ({"layer.*": FP32, "layer.0.query": FREE}, {"layer.0.query": FREE, "layer.*": FP32}):
        assert constrained(op_wise=rules).recipe.fallbacks == ("layer.1.query", "layer.1.dense")


def test_two_regular_expressions_that_disagree_are_refused() -> None:
    message = refusal(op_wise={"layer.*": FP32, ".*query": INT8})
    assert message.startswith("`quantization.op_wise..*query`: another key")
    assert "`layer.0.query`" in message


def test_what_cannot_be_int8_may_be_float() -> None:
    assert constrained(op_wise={"layer.0.norm": FP32}).recipe == RECIPE
    assert constrained(optype_wise={"LayerNorm": FP32}).recipe == RECIPE


def test_what_cannot_be_int8_is_refused_as_int8() -> None:
    assert refusal(op_wise={"layer.0.norm": INT8}).startswith(
        "`quantization.op_wise.layer.0.norm`: layer.0.norm cannot"
    )
    assert "cannot be int8 here" in refusal(optype_wise={"LayerNorm": INT8})


def test_a_module_that_only_holds_others_is_refused_with_what_to_write() -> None:
    message = refusal(op_wise={"layer.1": FP32})
    assert message.startswith("`quantization.op_wise.layer.1`: a Layer holds modules that can be int8")
    assert constrained(op_wise={message.split("`")[3]: FP32}).recipe.fallbacks == ("layer.1.query", "layer.1.dense")


@pytest.mark.parametrize(
    ("section", "name", "close"),
    [("op_wise", "layer.0.qery", "layer.0.query"), ("optype_wise", "linear", "Linear")],
)
def test_what_matches_nothing_is_refused_with_close_matches(section: str, name: str, close: str) -> None:
    message = refusal(**{section: {name: FP32}})
    assert message.startswith(f"`quantization.{section}.{name}`: no ")
    assert close in message.partition("Close matches: ")[2]


def test_int8_weights_without_int8_activations_are_refused_for_linear_modules() -> None:
    mixed = {"weight": {"dtype": "int8"}, "activation": {"dtype": "fp32"}}
    assert "weight dtype 'int8' with activation dtype 'fp32' is not built" in refusal(op_wise={"classifier": mixed})


def test_alternatives_meet_in_what_both_sides_allow() -> None:
    rule = {"weight": {"dtype": ["int8", "fp32"]}, "activation": {"dtype": "fp32"}}
    assert constrained(op_wise={"classifier": rule}).recipe.fallbacks == ("classifier",)


def test_only_the_weight_counts_for_an_embedding() -> None:
    mixed = {"weight": {"dtype": "int8"}, "activation": {"dtype": "fp32"}}
    assert constrained(op_wise={"embeddings": mixed}).always_int8 == {"embeddings"}


def test_a_rule_without_a_dtype_leaves_the_level_above_in_force() -> None:
    found = constrained(model_wise=FP32 | {}, op_wise={"classifier": {"weight": {"scheme": "sym"}}, "layer.*": INT8})
    assert found.recipe.fallbacks == ("embeddings", "classifier")


def test_the_ends_of_the_model_can_stay_in_float() -> None:
    ends = {"first_conv_or_matmul_quantization": False, "last_conv_or_matmul_quantization": False}
    recipes = RecipesConfig(**ends)
    assert constrained(recipes=recipes).recipe.fallbacks == ("layer.0.query", "classifier")
    assert constrained(recipes=recipes, model_wise=INT8).recipe.fallbacks == ("layer.0.query", "classifier")
    assert constrained(recipes=recipes, op_wise={"classifier": FREE}).recipe.fallbacks == ("layer.0.query",)


def test_nothing_in_int8_is_refused() -> None:
    assert "there is nothing to quantize" in refusal(model_wise=FP32)
