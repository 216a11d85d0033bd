"""Hessian traces against models whose Hessian is known."""

from typing import Any

import pytest
import torch
from helpers.tiny import VOCABULARY, tiny_bert, tiny_trainer, token_rows, with_labels_of
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from nc_trainer import QuantizationError
from nc_trainer.int8.ops import dequantize_rows, quantize_rows
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.search.calibration.hessian import hessian_sensitivities, hessian_traces
from nc_trainer.trainer.batches import calibration_batches, labelled_batches


class Regression(nn.Module):
    """A linear model with the loss sum((W x - y)^2) / rows: its Hessian is 2 X^T X / rows, once for each output."""

    def __init__(self, inputs: int = 4, outputs: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.linear(x) - labels).square().sum() / len(x)}


class TwoWeights(nn.Module):
    """a * b with the loss (a b - y)^2: second derivatives 2 b^2 and 2 a^2, and a mixed one that must not count."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.a.weight, 3.0)
        nn.init.constant_(self.b.weight, 0.5)

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.b(self.a(x)) - labels).square().sum()}


def batch(x: Tensor, outputs: int = 3) -> dict[str, Tensor]:
    return {"x": x, "labels": torch.zeros(len(x), outputs)}


def test_a_diagonal_hessian_is_exact_with_one_sample() -> None:
    x = torch.tensor([[2.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 3.0]])
    traces = hessian_traces(Regression(), [batch(x)], ["linear"], samples=1, seed=0)
    assert traces == {"linear": pytest.approx(3 * 2 * (4 + 1 + 9) / 3)}


def test_the_loss_is_averaged_over_batches() -> None:
    batches = [batch(torch.tensor([[2.0, 0, 0, 0]])), batch(torch.tensor([[0, 0, 4.0, 0]]))]
    traces = hessian_traces(Regression(), batches, ["linear"], samples=1, seed=0)
    assert traces == {"linear": pytest.approx((3 * 2 * 4 + 3 * 2 * 16) / 2)}


def test_samples_converge_to_the_closed_form() -> None:
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    expected = 3 * 2 * float(x.square().sum()) / 8
    assert hessian_traces(Regression(), [batch(x)], ["linear"], 1000, 0)["linear"] == pytest.approx(expected, rel=0.03)


def test_mixed_derivatives_of_two_modules_do_not_bias_either() -> None:
    batches = [{"x": torch.ones(1, 1), "labels": torch.zeros(1, 1)}]
    # One sample is off by the mixed derivative, 4 a b = 6, with either sign.
    traces = hessian_traces(TwoWeights(), batches, ["a", "b"], samples=2000, seed=0)
    assert traces == {"a": pytest.approx(2 * 0.25, abs=0.4), "b": pytest.approx(2 * 9, abs=0.4)}


def test_the_seed_decides_and_the_global_state_is_left_alone() -> None:
    model, x = Regression(), torch.randn(8, 4)
    state = torch.get_rng_state()
    runs = [hessian_traces(model, [batch(x)], ["linear"], 1, seed) for seed in (5, 5, 6)]
    assert torch.equal(torch.get_rng_state(), state)
    assert runs[0] == runs[1] != runs[2]


def test_frozen_weights_have_traces_and_stay_frozen() -> None:
    model = Regression().train()
    model.linear.weight.requires_grad_(False)
    x = torch.eye(4)
    assert hessian_traces(model, [batch(x)], ["linear"], 1, 0)["linear"] == pytest.approx(3 * 2 * 4 / 4)
    assert not model.linear.weight.requires_grad
    assert model.linear.weight.grad is None
    assert model.training


def test_sensitivity_is_the_average_trace_times_the_squared_weight_error() -> None:
    model = Regression()
    x = torch.eye(4)
    weight = model.linear.weight.detach()
    error = float((dequantize_rows(*quantize_rows(weight)) - weight).double().square().sum())
    found = hessian_sensitivities(ModuleSwapper(model), full_recipe(model), [batch(x)], samples=1)
    assert found == {"linear": pytest.approx(3 * 2 * 4 / 4 / 12 * error)}


def test_a_conv1d_is_as_sensitive_as_the_linear_module_that_it_is() -> None:
    model, turned = Regression(), Regression()
    turned.linear = Conv1D(3, 4)
    turned.linear.weight = nn.Parameter(model.linear.weight.detach().t().clone())
    expected, found = (
        hessian_sensitivities(ModuleSwapper(each), full_recipe(each), [batch(torch.eye(4))], samples=1)
        for each in (model, turned)
    )
    assert found == {"linear": pytest.approx(expected["linear"])}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_transformers_are_differentiated_twice(attention: str) -> None:
    model = tiny_bert(attn_implementation=attention)
    rows = {"input_ids": torch.arange(12).reshape(2, 6) % VOCABULARY, "labels": torch.tensor([0, 2])}
    recipe = full_recipe(model, embeddings=True)
    found = hessian_sensitivities(ModuleSwapper(model), recipe, [rows], samples=2)
    assert list(found) == list(recipe.modules)
    assert all(found[name] != 0.0 for name in ("classifier", "bert.encoder.layer.0.attention.self.query"))


def test_attention_implementations_agree() -> None:
    rows = {"input_ids": torch.arange(12).reshape(2, 6) % VOCABULARY, "labels": torch.tensor([0, 2])}
    names = list(full_recipe(tiny_bert()).modules)
    sdpa, eager = (
        hessian_traces(tiny_bert(attn_implementation=kind), [rows], names, 1, 0) for kind in ("sdpa", "eager")
    )
    assert sdpa == {name: pytest.approx(value, rel=1e-3, abs=1e-3) for name, value in eager.items()}


def test_a_model_without_a_loss_is_refused() -> None:
    rows = {"input_ids": torch.ones(1, 4, dtype=torch.long)}
    with pytest.raises(QuantizationError, match=r"computes no loss from \['input_ids'\].*`labels`"):
        hessian_traces(tiny_bert(), [rows], ["classifier"], 1, 0)


@pytest.mark.parametrize(("batches", "samples"), [([], 1), ([batch(torch.eye(4))], 0)], ids=["batches", "samples"])
def test_nothing_to_estimate_from_is_refused(batches: list[Any], samples: int) -> None:
    with pytest.raises(QuantizationError, match="at least one batch with labels and one sample"):
        hessian_traces(Regression(), batches, ["linear"], samples, 0)


def test_labelled_batches_are_the_calibration_batches_with_labels(tmp_path: Any) -> None:
    trainer = tiny_trainer(tmp_path)
    rows = with_labels_of(trainer.model, token_rows())
    labelled = labelled_batches(trainer, rows, 10, seed=3)
    plain = calibration_batches(trainer, rows, 10, seed=3)
    assert sum(len(inputs["labels"]) for inputs in labelled) == 10
    for with_labels, without in zip(labelled, plain, strict=True):
        assert set(with_labels) == {*without, "labels"}
        assert torch.equal(with_labels["input_ids"], without["input_ids"])


@pytest.mark.parametrize(
    ("rows", "message"), [(8, "have no labels"), (0, "is empty")], ids=["without-labels", "without-rows"]
)
def test_rows_that_a_hessian_cannot_use_are_refused(tmp_path: Any, rows: int, message: str) -> None:
    trainer = tiny_trainer(tmp_path)
    with pytest.raises(QuantizationError, match=message):
        labelled_batches(trainer, token_rows().select(range(rows)), 8, seed=0)
