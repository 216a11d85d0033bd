import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer import CheckpointError, Precision, QuantizationError, Recipe

recipes = st.dictionaries(st.text(min_size=1), st.sampled_from(list(Precision))).map(Recipe)


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
        ({"format_version": 2}, "format_version 2 is not known"),
        ({"modules": {"a": "int4"}}, "module `a` has precision 'int4'"),
        ({"modules": ["a"]}, "`modules` a mapping"),
        ({"extra": 1}, "expected the keys"),
    ],
    ids=["version", "precision", "shape", "unknown-key"],
)
def test_a_damaged_description_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Recipe.from_dict(Recipe({"a": Precision.FLOAT}).to_dict() | change)


def test_another_float_dtype_is_refused() -> None:
    with pytest.raises(QuantizationError, match="float dtype `float64` is not supported"):
        Recipe({"a": Precision.FLOAT}, "float64")
