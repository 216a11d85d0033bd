import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer import CheckpointError, Precision, QuantizationError, Recipe
from nc_trainer.config.recipe import FusedActivation

NAMES = st.text(min_size=1)
recipes = st.builds(
    Recipe,
    st.dictionaries(NAMES, st.sampled_from(list(Precision))),
    st.sampled_from(["float32", "bfloat16"]),
    st.lists(st.lists(NAMES, min_size=2).map(tuple)).map(tuple),
    st.dictionaries(NAMES, st.builds(FusedActivation, NAMES, st.just("gelu"))),
    st.sampled_from(["model", "native"]),
    st.sampled_from(["compute", "skip"]),
)


@given(recipes)
def test_round_trip_through_json(recipe: Recipe) -> None:
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@given(recipes, st.randoms())
def test_fallbacks_and_quantized_share_the_modules(recipe: Recipe, random: object) -> None:
    assert set(recipe.fallbacks) | set(recipe.quantized) == set(recipe.modules)
    assert not set(recipe.fallbacks) & set(recipe.quantized)


def test_with_fallbacks_changes_only_the_named_modules() -> None:
    recipe = Recipe({"a": Precision.INT8_DYNAMIC, "b": Precision.INT8_DYNAMIC, "e": Precision.INT8_WEIGHT_ONLY})
    changed = recipe.with_fallbacks(["b"])
    assert changed.fallbacks == ("b",)
    assert changed.quantized == ("a", "e")
    assert recipe.fallbacks == ()


def test_only_keeps_the_named_modules_int8() -> None:
    recipe = Recipe({"a": Precision.INT8_DYNAMIC, "b": Precision.INT8_DYNAMIC})
    assert recipe.only(["b"]).quantized == ("b",)


def test_equal_recipes_have_equal_hashes_in_any_order() -> None:
    one = Recipe({"a": Precision.FLOAT, "b": Precision.INT8_DYNAMIC})
    other = Recipe({"b": Precision.INT8_DYNAMIC, "a": Precision.FLOAT})
    assert one == other
    assert hash(one) == hash(other)


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Recipe({"a": Precision.FLOAT}).modules["a"] = Precision.INT8_DYNAMIC  # type: ignore[index]


def test_an_unknown_fallback_is_refused() -> None:
    with pytest.raises(QuantizationError, match="no such modules: \\['z'\\]"):
        Recipe({"a": Precision.FLOAT}).with_fallbacks(["z"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 4}, "format_version 4 is not known"),
        ({"modules": {"a": "int4"}}, "module `a` has precision 'int4'"),
        ({"modules": ["a"]}, "`modules` is \\['a'\\], expected a Mapping"),
        ({"shared_inputs": ["ab"]}, "expected `shared_inputs` to be lists of module names"),
        ({"activations": {"a": ["b"]}}, "`activations` pairs of module and function"),
        ({"token_wise": [1]}, "`token_wise` and `float32_modules` module names"),
        ({"read_rows": {"a": "second"}}, "`read_rows` is .*expected modules with one of \\('first', 'last'\\)"),
        ({"read_rows": ["a"]}, "`read_rows` is \\['a'\\], expected a Mapping"),
        ({"coverage": {"tokens": 512}}, "expected `coverage` to have tokens, padding and attention"),
        ({"coverage": {"tokens": "512", "padding": [], "attention": True}}, "`coverage` is .*expected a number"),
        ({"coverage": {"tokens": 512, "padding": ["up"], "attention": True}}, "`coverage` is .*sides"),
        ({"float_columns": {"a": [3, 1]}}, "`float_columns` is .*in rising order"),
        ({"float_columns": {"a": [1, 1]}}, "`float_columns` is .*in rising order"),
        ({"float_columns": {"a": [-1]}}, "`float_columns` is .*in rising order"),
        ({"float_columns": {"a": [True]}}, "`float_columns` is .*in rising order"),
        ({"float_columns": {"a": []}}, "`float_columns` is .*in rising order"),
        ({"float_columns": {"a": 1}}, "`float_columns` is .*in rising order"),
        ({"float_columns": ["a"]}, "`float_columns` is \\['a'\\], expected a Mapping"),
        ({"extra": 1}, "expected the keys"),
    ],
    ids=[
        *("version", "precision", "shape", "shared-inputs", "activations", "token-wise"),
        *("read-rows", "read-rows-shape", "coverage-keys", "coverage-tokens", "coverage-sides"),
        *("columns-falling", "columns-twice", "columns-negative", "columns-bool", "columns-none", "columns-number"),
        *("columns-shape", "unknown-key"),
    ],
)
def test_a_damaged_description_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Recipe.from_dict(Recipe({"a": Precision.FLOAT}).to_dict() | change)


def test_another_float_dtype_is_refused() -> None:
    with pytest.raises(QuantizationError, match="float_dtype `float64` is not supported"):
        Recipe({"a": Precision.FLOAT}, "float64")


def test_the_first_version_had_no_fusions() -> None:
    old = {"format_version": 1, "float_dtype": "float32", "modules": {"a": "float"}}
    assert Recipe.from_dict(old) == Recipe({"a": Precision.FLOAT})


@pytest.mark.parametrize("key", ["read_rows", "float_columns"])
def test_a_description_of_this_version_may_be_without(key: str) -> None:
    recipe = Recipe({"a": Precision.INT8_DYNAMIC}, token_wise=("a",))
    data = recipe.to_dict()
    del data[key]
    assert Recipe.from_dict(data) == recipe


def test_columns_are_kept_of_what_is_int8() -> None:
    recipe = Recipe({"bert.a": Precision.INT8_DYNAMIC, "b": Precision.INT8_DYNAMIC})
    columns = recipe.with_float_columns({"bert.a": [1, 7], "b": [0]})
    assert Recipe.from_dict(json.loads(json.dumps(columns.to_dict()))) == columns
    assert columns.with_fallbacks(["b"]) == recipe.with_fallbacks(["b"]).with_float_columns({"bert.a": [1, 7]})
    assert columns.without_prefix("bert.", {"a"}).float_columns == {"a": (1, 7)}
    assert columns != recipe


def test_in_float_is_the_model_as_it_was() -> None:
    fused = {"a": FusedActivation("c", "relu")}
    recipe = Recipe({"a": Precision.INT8_DYNAMIC}, "bfloat16", (("a", "b"),), fused, "native")
    assert recipe.in_float() == Recipe({"a": Precision.FLOAT})


def test_without_prefix_all_rows_are_read() -> None:
    recipe = Recipe({"bert.a": Precision.INT8_DYNAMIC}, read_rows={"bert.a": "first"})
    assert Recipe.from_dict(recipe.to_dict()).read_rows == {"bert.a": "first"}
    assert recipe.without_prefix("bert.", {"a"}).read_rows == {}


def test_without_prefix_renames_what_is_inside_and_present() -> None:
    recipe = Recipe(
        dict.fromkeys(("bert.a", "bert.pooler", "head"), Precision.INT8_DYNAMIC) | {"bert.b": Precision.FLOAT},
        "bfloat16",
        (("bert.a", "bert.b"), ("bert.a", "bert.pooler")),
        {"bert.a": FusedActivation("bert.act", "relu"), "head": FusedActivation("act", "tanh")},
    )
    assert recipe.without_prefix("bert.", {"a", "b", "act"}) == Recipe(
        {"a": Precision.INT8_DYNAMIC, "b": Precision.FLOAT},
        "bfloat16",
        (("a", "b"),),
        {"a": FusedActivation("act", "relu")},
    )


def test_the_earlier_name_of_the_rest_does_the_same() -> None:
    recipe = Recipe({"layer": Precision.INT8_DYNAMIC})
    assert recipe.with_float_dtype("bfloat16") == recipe.with_rest_in("bfloat16")
