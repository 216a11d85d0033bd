"""A fused model computes what its parts compute, and can be taken apart again."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nc_trainer import Precision, QuantizationError, Recipe
from nc_trainer.config.recipe import FusedActivation
from nc_trainer.int8.fusion import with_fusions
from nc_trainer.int8.nn import Int8Linear, TakenOver
from nc_trainer.int8.ops import use_engine
from nc_trainer.int8.quantize import ModuleSwapper


class Block(nn.Module):
    """Query, key and value, then a feed-forward layer; `between` runs before key is called."""

    def __init__(self, between: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.query, self.key, self.value, self.up = (nn.Linear(16, 16) for _ in range(4))
        self.act = nn.ReLU()
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.up(self.query(x) + self.key(self.between(x)) * self.value(x)))


def int8(model: nn.Module, *fallbacks: str) -> Recipe:
    names = [name for name, module in model.named_modules() if type(module) is nn.Linear]
    return Recipe(dict.fromkeys(names, Precision.INT8_DYNAMIC)).with_fallbacks(fallbacks)


def output(model: nn.Module) -> Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        return model.eval()(torch.randn(3, 16))


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with use_engine("reference"):
        yield


@pytest.mark.parametrize("fallbacks", [(), ("query",), ("key", "value"), ("up",)], ids=str)
def test_fused_and_separate_return_the_same_bits(fallbacks: tuple[str, ...]) -> None:
    model = Block()
    swapper, recipe = ModuleSwapper(model), int8(model, *fallbacks)
    fused = with_fusions(model, int8(model), [{"x": torch.randn(1, 16)}]).with_fallbacks(fallbacks)
    assert fused.shared_inputs
    assert fused.activations
    swapper.apply(recipe)
    expected = output(model)
    swapper.apply(fused)
    assert torch.equal(output(model), expected)


def test_a_fused_activation_does_nothing_itself_and_comes_back() -> None:
    model = Block()
    swapper, original = ModuleSwapper(model), model.act
    keys = set(model.state_dict())
    swapper.apply(with_fusions(model, int8(model), [{"x": torch.randn(1, 16)}]))
    assert isinstance(model.get_submodule("act"), TakenOver)
    assert model.up.activation == "relu"
    assert {key.rpartition(".")[0] for key in model.state_dict()} == {key.rpartition(".")[0] for key in keys}
    swapper.restore()
    assert model.act is original


def test_an_activation_with_a_second_name_is_replaced_under_both() -> None:
    model = nn.ModuleDict({"one": Block(), "two": Block()})
    model["two"].act = model["one"].act
    model.forward = lambda x: model["two"](model["one"](x))
    fused = with_fusions(model, int8(model), [{"x": torch.randn(1, 16)}])
    ModuleSwapper(model).apply(fused)
    assert type(model["one"].act) is type(model["two"].act) is TakenOver


@pytest.mark.parametrize(
    "between", [lambda x: x + 1, lambda x: x.add_(1), lambda x: x.clone()], ids=["other", "written-to", "copy"]
)
def test_an_input_that_is_not_the_same_after_all_is_computed_anew(between: Callable[[Tensor], Tensor]) -> None:
    model = Block()
    recipe = with_fusions(model, int8(model), [{"x": torch.randn(1, 16)}])
    model.between = between
    swapper = ModuleSwapper(model)
    swapper.apply(int8(model))
    expected = output(model)
    swapper.apply(recipe)
    assert torch.equal(output(model), expected)


def test_members_called_in_another_order_are_right() -> None:
    model = Block().eval()
    ModuleSwapper(model).apply(with_fusions(model, int8(model), [{"x": torch.randn(1, 16)}]))
    x, y = torch.randn(2, 16), torch.randn(2, 16)
    members = {"query": model.query, "key": model.key, "value": model.value}
    expected = {name: member(x.clone()) for name, member in members.items()}
    for order in (("key", "query", "value"), ("query", "query", "key"), ("value", "key", "query")):
        for name in order:
            assert torch.equal(members[name](x), expected[name])
        model.key(y)


def test_inference_mode_works() -> None:
    model = Block()
    ModuleSwapper(model).apply(with_fusions(model, int8(model), [{"x": torch.randn(1, 16)}]))
    expected = output(model)
    torch.manual_seed(1)
    with torch.inference_mode():
        assert torch.equal(model(torch.randn(3, 16)), expected)


@pytest.mark.parametrize(
    "fusions",
    [
        {"activations": {"query": FusedActivation("missing", "relu")}},
        {"modules": {"act": Precision.INT8_DYNAMIC}},
    ],
    ids=["no-such-activation", "not-a-linear-layer"],
)
def test_a_recipe_that_fuses_what_is_not_there_is_refused(fusions: dict[str, Any]) -> None:
    recipe = replace(int8(Block()), **fusions)
    with pytest.raises(QuantizationError, match=r"which a ReLU cannot be|`missing`, which Block does not have"):
        ModuleSwapper(Block()).apply(recipe)


def test_the_compiled_model_has_no_graph_break_and_the_same_bits() -> None:
    model = Block()
    ModuleSwapper(model).apply(with_fusions(model, int8(model), [{"x": torch.randn(1, 16)}]))
    assert isinstance(model.query, Int8Linear)
    expected = output(model)
    torch.manual_seed(1)
    with torch.no_grad():
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        assert torch.equal(compiled(torch.randn(3, 16)), expected)
