import pytest
import torch
from helpers.logits import logits
from helpers.tiny import tiny_bert
from torch import nn

from nc_trainer import Precision, QuantizationError, Recipe
from nc_trainer.int8.nn import Int8Embedding, Int8Linear
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe, is_int8, quantizable_modules


def test_linear_modules_are_found_and_embeddings_when_asked() -> None:
    model = tiny_bert()
    linear = quantizable_modules(model)
    assert len(linear) == 14
    assert set(linear.values()) == {Precision.INT8_DYNAMIC}
    found = quantizable_modules(model, embeddings=True)
    assert {name for name in found if name not in linear} == {
        f"bert.embeddings.{kind}_embeddings" for kind in ("word", "position", "token_type")
    }


def test_subclasses_are_left_alone() -> None:
    class Scaled(nn.Linear):
        pass

    model = nn.Sequential(Scaled(2, 2), nn.Linear(2, 2), nn.MultiheadAttention(4, 2))
    assert list(quantizable_modules(model)) == ["1"]


def test_an_embedding_with_max_norm_is_left_alone() -> None:
    assert quantizable_modules(nn.Sequential(nn.Embedding(3, 2, max_norm=1.0)), embeddings=True) == {}


def test_applying_and_restoring_is_exact() -> None:
    model = tiny_bert()
    before, state = logits(model), dict(model.state_dict())
    swapper = ModuleSwapper(model)
    swapper.apply(full_recipe(model, embeddings=True))
    assert is_int8(model)
    assert not torch.equal(logits(model), before)
    swapper.restore()
    assert not is_int8(model)
    assert torch.equal(logits(model), before)
    assert all(
        model.state_dict()[key] is not None and torch.equal(model.state_dict()[key], state[key]) for key in state
    )


def test_a_recipe_decides_module_by_module() -> None:
    model = tiny_bert()
    recipe = full_recipe(model, embeddings=True).only(["classifier", "bert.embeddings.word_embeddings"])
    ModuleSwapper(model).apply(recipe)
    assert isinstance(model.classifier, Int8Linear)
    assert isinstance(model.bert.embeddings.word_embeddings, Int8Embedding)
    assert sum(isinstance(module, nn.Linear) for module in model.modules()) == 13


def test_the_second_use_of_a_recipe_makes_no_new_modules() -> None:
    model = tiny_bert()
    swapper, recipe = ModuleSwapper(model), full_recipe(model)
    swapper.apply(recipe)
    first = model.classifier
    swapper.apply(recipe.with_fallbacks(["classifier"]))
    assert isinstance(model.classifier, nn.Linear)
    swapper.apply(recipe)
    assert model.classifier is first


def test_a_module_with_two_names_is_swapped_under_both() -> None:
    shared = nn.Linear(2, 2)
    model = nn.ModuleDict({"first": shared, "second": shared})
    recipe = full_recipe(model)
    assert list(recipe.modules) == ["first"]
    ModuleSwapper(model).apply(recipe)
    assert isinstance(model["first"], Int8Linear)
    assert model["second"] is model["first"]


def test_a_model_without_candidates_is_refused() -> None:
    with pytest.raises(QuantizationError, match=r"Sequential has no module that can become int8.*Linear"):
        full_recipe(nn.Sequential(nn.ReLU()))


def test_a_damaged_weight_is_refused_by_name() -> None:
    model = tiny_bert()
    model.classifier.weight.data[0, 0] = float("nan")
    with pytest.raises(QuantizationError, match="`classifier` holds NaN"):
        full_recipe(model)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"nowhere": Precision.INT8_DYNAMIC}, "names `nowhere`, which BertForSequenceClassification does not have"),
        ({"classifier": Precision.INT8_WEIGHT_ONLY}, "`classifier` int8_weight_only, which a Linear cannot be"),
        ({"bert.embeddings.LayerNorm": Precision.INT8_DYNAMIC}, "a LayerNorm cannot be"),
    ],
    ids=["unknown", "precision", "kind"],
)
def test_a_recipe_that_does_not_fit_changes_nothing(modules: dict[str, Precision], message: str) -> None:
    model = tiny_bert()
    with pytest.raises(QuantizationError, match=message):
        ModuleSwapper(model).apply(Recipe({"bert.pooler.dense": Precision.INT8_DYNAMIC} | modules))
    assert not is_int8(model)
