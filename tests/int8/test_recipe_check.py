"""Every entry of a recipe is checked against the model before any of it is applied."""

from collections.abc import Callable
from typing import Any

import pytest
from helpers.tiny import tiny_bert
from torch import nn

from nc_trainer import NCTrainerError, Recipe
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe, swap_in_empty_modules

QUERY, KEY = (f"bert.encoder.layer.0.attention.self.{name}" for name in ("query", "key"))
DENSE, ACTIVATION = (f"bert.encoder.layer.0.intermediate.{name}" for name in ("dense", "intermediate_act_fn"))
NORM, WORDS = "bert.encoder.layer.0.output.LayerNorm", "bert.embeddings.word_embeddings"
WIDE = "bert.encoder.layer.0.output.dense"


def whole() -> dict[str, Any]:
    """A recipe with every kind of entry, which fits."""
    return full_recipe(tiny_bert(), embeddings=True).to_dict() | {
        "float_dtype": "bfloat16",
        "attention": "native",
        "padding": "skip",
        "shared_inputs": [[QUERY, KEY]],
        "activations": {DENSE: [ACTIVATION, "gelu"]},
        "token_wise": [QUERY, DENSE],
        "read_rows": {DENSE: "first"},
        "float32_after": "bert.encoder",
        "float32_modules": ["bert.pooler.dense", "classifier"],
        "coverage": {"tokens": 512, "padding": ["right", "left"], "attention": True},
        "float_columns": {KEY: [0, 5], WIDE: [30]},
    }


def apply(model: nn.Module, recipe: Recipe) -> None:
    ModuleSwapper(model).apply(recipe)


WAYS = pytest.mark.parametrize("way", [apply, swap_in_empty_modules], ids=["quantizing", "loading"])
Way = Callable[[nn.Module, Recipe], None]


def refused(entries: dict[str, Any], way: Way, message: str) -> None:
    model = tiny_bert()
    before = list(model.named_modules())
    with pytest.raises(NCTrainerError, match=message):
        way(model, Recipe.from_dict(entries))
    assert list(model.named_modules()) == before


@WAYS
def test_the_whole_recipe_fits(way: Way) -> None:
    way(tiny_bert(), Recipe.from_dict(whole()))


def renamed(value: Any, old: str) -> Any:
    """JSON content in which a name, as a key or a value, is another that no module has."""
    if isinstance(value, dict):
        return {renamed(key, old): renamed(part, old) for key, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, old) for part in value]
    return "nobody" if value == old else value


NAMES = {
    "modules": list(whole()["modules"]),
    "shared_inputs": [QUERY, KEY],
    "activations": [DENSE, ACTIVATION],
    "token_wise": [QUERY, DENSE],
    "read_rows": [DENSE],
    "float32_after": ["bert.encoder"],
    "float32_modules": ["bert.pooler.dense", "classifier"],
    "float_columns": [KEY, WIDE],
}


@WAYS
@pytest.mark.parametrize(("key", "name"), [(key, name) for key, names in NAMES.items() for name in names])
def test_a_module_that_is_not_there(way: Way, key: str, name: str) -> None:
    entries = whole()
    refused(entries | {key: renamed(entries[key], name)}, way, "`nobody`|`bert")


@WAYS
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modules": {QUERY: "int8_weight_only"}}, "which a Linear cannot be"),
        ({"modules": {WORDS: "int8_dynamic"}}, "which a Embedding cannot be"),
        ({"modules": {NORM: "int8_dynamic"}}, "which a LayerNorm cannot be"),
        ({"shared_inputs": [[QUERY, KEY], [QUERY, DENSE]]}, "2 times in `shared_inputs`"),
        ({"shared_inputs": [[QUERY, QUERY]]}, "2 times in `shared_inputs`"),
        ({"shared_inputs": [[QUERY, WIDE]]}, "as many input features"),
        ({"shared_inputs": [[QUERY]]}, "two or more layers"),
        ({"shared_inputs": [[QUERY, WORDS]]}, "no linear layer"),
        ({"activations": {DENSE: [ACTIVATION, "relu"]}}, "apply 'relu'"),
        ({"activations": {DENSE: [ACTIVATION, "nothing"]}}, "apply 'nothing'"),
        ({"activations": {DENSE: [NORM, "gelu"]}}, "no known activation"),
        ({"activations": {WORDS: [ACTIVATION, "gelu"]}}, "no linear layer"),
        ({"token_wise": [WORDS]}, "no linear layer"),
        ({"token_wise": [NORM]}, "no linear layer"),
        ({"read_rows": {NORM: "first"}}, "no linear layer"),
        ({"read_rows": {DENSE: "middle"}}, "expected modules with one of"),
        ({"float_columns": {WORDS: [0]}}, "no linear layer"),
        ({"float_columns": {NORM: [0]}}, "no linear layer"),
        ({"float_columns": {KEY: [5, 10**6]}}, "keeps the columns .* in float"),
        ({"float_columns": {KEY: [5, 0]}}, "in rising order"),
        ({"attention": "other"}, "`other` is not supported"),
        ({"padding": "other"}, "`other` is not supported"),
        ({"float_dtype": "float16"}, "`float16` is not supported"),
        ({"coverage": {"tokens": "many", "padding": [], "attention": True}}, "expected a number"),
        ({"coverage": {"tokens": -1, "padding": [], "attention": True}}, "expected a number"),
        ({"coverage": {"tokens": None, "padding": ["top"], "attention": True}}, "expected a number"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_cannot_be(way: Way, changes: dict[str, Any], message: str) -> None:
    entries = whole()
    merged = changes | ({"modules": entries["modules"] | changes["modules"]} if "modules" in changes else {})
    refused(entries | merged, way, message)


@WAYS
def test_one_module_under_two_names(way: Way) -> None:
    model = tiny_bert()
    model.bert.pooler.twin = model.classifier
    modules = dict.fromkeys(["classifier", "bert.pooler.twin"], "int8_dynamic")
    with pytest.raises(NCTrainerError, match="one module"):
        way(model, Recipe.from_dict(full_recipe(model).to_dict() | {"modules": modules}))
