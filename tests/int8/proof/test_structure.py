"""Where a linear layer and its activation stay apart, though some call looks as if they belonged together."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nc_trainer.int8.proof import Proof, proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

ROWS = {"input_ids": torch.tensor([[5, 6, 7, 8, 9, 10, 11, 12, 2]])}
Run = Callable[["Layers", Tensor, Tensor], Tensor]


class Layers(nn.Module):
    """An embedding, two linear layers that share an activation, and a head; `run` says how they meet."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head = nn.Embedding(20, 8), nn.Linear(8, 3)
        self.a, self.b, self.act = nn.Linear(8, 8), nn.Linear(8, 8), nn.GELU()
        self.run = run

    def forward(self, input_ids: Tensor) -> tuple[Tensor]:
        return (self.head(self.run(self, self.embed(input_ids), input_ids).mean(1)),)


def proof_of(run: Run) -> tuple[Layers, ModuleSwapper, Proof]:
    model = Layers(run).eval()
    swapper = ModuleSwapper(model)
    return model, swapper, proven(swapper, full_recipe(model), ROWS)


def only_in_long_rows(m: Layers, x: Tensor, ids: Tensor) -> Tensor:
    return m.act(m.b(m.act(m.a(x)))) if ids.shape[1] > 600 else m.act(m.a(x))


def activated_elsewhere(m: Layers, x: Tensor, ids: Tensor) -> Tensor:
    return m.act(m.a(x)) + m.act(x)


def read_before_activation(m: Layers, x: Tensor, ids: Tensor) -> Tensor:
    y = m.a(x)
    return m.act(y) + y


def other_layer_in_pairs(m: Layers, x: Tensor, ids: Tensor) -> Tensor:
    return m.act(m.a(x)) + (m.b(x) if ids.shape[0] % 2 else m.act(m.b(x)))


def test_what_belongs_together_is_fused() -> None:
    _, _, proof = proof_of(lambda m, x, ids: m.act(m.a(x)))
    assert list(proof.recipe.activations) == ["a"]
    assert proof.notes == ()


@pytest.mark.parametrize("run", [activated_elsewhere, read_before_activation, other_layer_in_pairs])
def test_what_some_probe_contradicts_is_left_alone(run: Run) -> None:
    _, _, proof = proof_of(run)
    assert "b" not in proof.recipe.activations
    assert "a" not in proof.recipe.activations


def test_a_row_longer_than_every_probe_is_computed_the_plain_way() -> None:
    model, swapper, proof = proof_of(only_in_long_rows)
    assert list(proof.recipe.activations) == ["a"]
    assert proof.recipe.coverage.tokens == 512
    ids = torch.randint(1, 20, (1, 700), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        swapper.apply(proof.recipe)
        found = model(input_ids=ids)[0]
        swapper.apply(replace(proof.recipe, activations={}))
        assert torch.equal(found, model(input_ids=ids)[0])


def test_layers_with_one_input_in_some_calls_only_are_computed_apart() -> None:
    _, _, proof = proof_of(lambda m, x, ids: m.a(x) + m.b(x if ids.shape[0] > 1 else x + 1))
    assert proof.recipe.shared_inputs == ()


def test_gradients_are_not_needed_for_a_proof() -> None:
    model, _, _ = proof_of(activated_elsewhere)
    assert all(parameter.grad is None for parameter in model.parameters())
