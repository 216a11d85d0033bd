"""What can be fused is found by structure: by who reads what, not by names."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from nc_trainer import Precision, Recipe
from nc_trainer.int8.fusion import with_fusions

X = [{"x": torch.randn(2, 3, 4)}]


class Layers(nn.Module):
    """Four linear layers and two activations, used as `run` says."""

    def __init__(self, run: Callable[["Layers", Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))
        self.act, self.other = nn.GELU(), nn.ReLU()
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def found(run: Callable[[Layers, Tensor], Tensor]) -> Recipe:
    recipe = Recipe(dict.fromkeys("abcd", Precision.INT8_DYNAMIC))
    return with_fusions(Layers(run), recipe, X)


@pytest.mark.parametrize(
    ("run", "groups"),
    [
        (lambda m, x: m.a(x) + m.b(x) + m.c(x), (("a", "b", "c"),)),
        (lambda m, x: m.c(x) + m.a(x), (("c", "a"),)),
        (lambda m, x: m.a(x) + m.b(x.clone()), ()),
        (lambda m, x: m.a(x) + m.b(m.c(x)) + m.d(x), (("a", "c"),)),
        (lambda m, x: m.a(x) + m.b(x.mul_(2)), ()),
        (lambda m, x: m.a(x) + m.b(x) + m.a(x * 2) + m.b(x * 2), ()),
        (lambda m, x: m.a(m.c(x)) + m.a(x) + m.b(x), ()),
    ],
    ids=["three", "in-call-order", "copies", "not-in-a-row", "written-between", "sometimes", "also-alone"],
)
def test_layers_called_in_a_row_with_the_same_tensor_share_it(
    run: Callable[[Layers, Tensor], Tensor], groups: tuple[tuple[str, ...], ...]
) -> None:
    assert found(run).shared_inputs == groups


@pytest.mark.parametrize(
    ("run", "fused"),
    [
        (lambda m, x: m.act(m.a(x)), {"a": ("act", "gelu")}),
        (lambda m, x: m.other(m.b(m.act(m.a(x)))), {"a": ("act", "gelu"), "b": ("other", "relu")}),
        (lambda m, x: m.act(m.a(x)) + m.act(m.b(x)), {"a": ("act", "gelu"), "b": ("act", "gelu")}),
        (lambda m, x: (lambda y: m.act(y) * y)(m.a(x)), {}),
        (lambda m, x: m.act(m.a(x) + 1), {}),
        (lambda m, x: m.act(m.a(x)) + m.act(x), {}),
        (lambda m, x: m.act(m.a(x)) + m.a(x), {}),
        (lambda m, x: m.act(m.a(x)) + (lambda y: m.act(y) + y)(m.b(x)), {}),
        (lambda m, x: (lambda y: m.act(y) + m.other(y))(m.a(x)), {}),
    ],
    ids=["one", "two", "shared", "gated", "not-the-output", "other-input", "sometimes", "shared-with-gated", "both"],
)
def test_an_activation_is_taken_over_if_it_alone_reads_the_output(
    run: Callable[[Layers, Tensor], Tensor], fused: dict[str, tuple[str, str]]
) -> None:
    assert {name: (f.module, f.function) for name, f in found(run).activations.items()} == fused


def test_looking_leaves_the_model_as_it_was() -> None:
    model = Layers(lambda m, x: m.act(m.a(x)))
    model.train()
    with_fusions(model, Recipe({"a": Precision.INT8_DYNAMIC}), X)
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_bert_shares_query_key_value_and_fuses_gelu() -> None:
    config = AutoConfig.for_model(
        "bert", vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    model = AutoModelForSequenceClassification.from_config(config)
    names = [name for name, module in model.named_modules() if type(module) is nn.Linear]
    recipe = with_fusions(
        model, Recipe(dict.fromkeys(names, Precision.INT8_DYNAMIC)), [{"input_ids": torch.tensor([[3, 4]])}]
    )
    attention = "bert.encoder.layer.0.attention.self"
    assert recipe.shared_inputs == ((f"{attention}.query", f"{attention}.key", f"{attention}.value"),)
    assert {f.function for f in recipe.activations.values()} == {"gelu", "tanh"}
