"""XLNet and Funnel keep projections in bare parameters: each is an entry of the recipe of its own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.architectures import small
from helpers.logits import IDS, logits
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedModel

from nc_trainer import Recipe, save_for_huggingface_upstream
from nc_trainer.hub import attach
from nc_trainer.int8.fusion import with_fusions
from nc_trainer.int8.module_tree import named_modules
from nc_trainer.int8.nn import Int8Projection
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.int8.replay import Replay
from nc_trainer.search.calibration.activation import activation_errors
from nc_trainer.search.calibration.hessian import hessian_sensitivities
from nc_trainer.search.calibration.sensitivity import sensitivities

XLNET = {f"transformer.layer.{layer}.rel_attn.{name}" for layer in range(2) for name in "qkvor"}
FUNNEL = {f"funnel.encoder.blocks.{block}.0.attention.r_kernel" for block in range(2)}
Q = "transformer.layer.1.rel_attn.q"
MODELS = [
    pytest.param("xlnet", {}, XLNET, id="xlnet"),
    pytest.param("funnel", {"attention_type": "relative_shift"}, FUNNEL, id="funnel-relative-shift"),
    pytest.param("funnel", {"attention_type": "factorized"}, FUNNEL, id="funnel-factorized"),
]


def quantized(model: PreTrainedModel, recipe: Recipe) -> PreTrainedModel:
    ModuleSwapper(model).apply(recipe)
    attach(model, recipe)
    return model


@pytest.mark.parametrize(("name", "changes", "projections"), MODELS)
def test_every_projection_is_in_the_recipe(name: str, changes: dict[str, Any], projections: set[str]) -> None:
    model = small(name, **changes)
    kinds = {name: type(module).__name__ for name, module in named_modules(model)}
    assert {name for name in full_recipe(model).modules if kinds[name] == "Projection"} == projections


@pytest.mark.parametrize(("name", "changes", "projections"), MODELS)
def test_only_projections_reload_bit_equal(
    name: str, changes: dict[str, Any], projections: set[str], tmp_path: Path
) -> None:
    model = small(name, **changes)
    before = logits(model)
    model = quantized(model, full_recipe(model).only(projections))
    assert sum(isinstance(module, Int8Projection) for module in model.modules()) == len(projections)
    assert not torch.equal(logits(model), before)
    save_for_huggingface_upstream(model, None, tmp_path)
    assert torch.equal(logits(AutoModelForSequenceClassification.from_pretrained(tmp_path)), logits(model))


@pytest.mark.parametrize(("name", "changes", "projections"), MODELS)
def test_restoring_gives_the_same_model_with_its_parameters_in_order(
    name: str, changes: dict[str, Any], projections: set[str]
) -> None:
    model = small(name, **changes)
    before, parameters = logits(model), list(model.named_parameters())
    swapper = ModuleSwapper(model)
    swapper.apply(full_recipe(model).with_rest_in("bfloat16"))
    swapper.restore()
    assert torch.equal(logits(model), before)
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in parameters]
    assert all(now is then for now, (_, then) in zip(model.parameters(), parameters, strict=True))


def test_one_projection_falls_back_alone(tmp_path: Path) -> None:
    model = small("xlnet")
    recipe = full_recipe(model).with_fallbacks([Q])
    save_for_huggingface_upstream(quantized(model, recipe), None, tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    keys = [key for key in loaded.state_dict() if key.startswith("transformer.layer.1.rel_attn.")]
    assert {Q, f"{Q[:-1]}k.qweight", f"{Q[:-1]}k.scale"} <= set(keys)
    assert torch.equal(logits(loaded), logits(model))


def test_the_base_model_loads_without_the_head(tmp_path: Path) -> None:
    model = small("xlnet")
    save_for_huggingface_upstream(quantized(model, full_recipe(model)), None, tmp_path)
    base = AutoModel.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(base(IDS).last_hidden_state, model.transformer(IDS).last_hidden_state)


def test_query_key_and_value_share_their_input() -> None:
    model = small("xlnet")
    recipe = with_fusions(model, full_recipe(model), [{"input_ids": IDS}])
    assert recipe.shared_inputs == tuple(
        tuple(f"transformer.layer.{layer}.rel_attn.{name}" for name in "qkv") for layer in range(2)
    )
    unfused = logits(quantized(small("xlnet"), full_recipe(model)))
    assert torch.equal(logits(quantized(model, recipe)), unfused)


def test_rankings_take_projections_like_other_modules() -> None:
    model = small("xlnet")
    swapper, recipe, batches = ModuleSwapper(model), full_recipe(model), [{"input_ids": IDS}]
    before, order = logits(model), list(model.state_dict())
    labelled = [{"input_ids": IDS, "labels": torch.tensor([0, 1])}]
    for ranking in (
        sensitivities(swapper, recipe, batches),
        activation_errors(swapper, recipe, batches),
        hessian_sensitivities(swapper, recipe, labelled, samples=1),
    ):
        assert set(ranking) == set(recipe.modules)
        assert all(ranking[name] != 0 for name in XLNET)
    assert torch.equal(logits(model), before)
    assert list(model.state_dict()) == order


def test_a_ranking_does_not_compute_what_comes_before_a_projection() -> None:
    model = small("xlnet")
    assert Replay(model, {"input_ids": IDS}, [Q]).passes([Q]) == 0.5


def test_torch_compile_sees_one_graph() -> None:
    model = small("xlnet")
    model = quantized(model, with_fusions(model, full_recipe(model), [{"input_ids": IDS}]))
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert torch.equal(logits(compiled), logits(model))
