"""A ranking computes only what a swapped module changes, and gives the same bits as whole forward passes."""

import math
from pathlib import Path

import pytest
import torch
from helpers.architectures import CONFIGS, small
from helpers.logits import IDS, logits
from helpers.tiny import sensitive_bert, tiny_bert, tiny_trainer

from nc_trainer import TuningConfig
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.int8.replay import Replay
from nc_trainer.search.calibration.sensitivity import affordable_rows, sensitivities

BATCH = {"input_ids": IDS}


@pytest.mark.parametrize("name", list(CONFIGS))
def test_replayed_logits_are_those_of_a_whole_pass(name: str) -> None:
    model = small(name)
    recipe, swapper = full_recipe(model, embeddings=True), ModuleSwapper(model)
    replay = Replay(model, BATCH, recipe.quantized)
    assert torch.equal(replay.expected[0], logits(model))
    for module in recipe.quantized:
        swapper.apply(recipe.only([module]))
        assert torch.equal(replay.logits(module)[0], logits(model)), module
    swapper.restore()
    assert torch.equal(logits(model), replay.expected[0])
    assert all("forward" not in vars(module) for module in model.modules())


def test_blocks_before_the_module_compute_nothing() -> None:
    model = tiny_bert(num_hidden_layers=4)
    recipe = full_recipe(model)
    replay = Replay(model, BATCH, recipe.quantized)
    ran: list[int] = []
    for number, layer in enumerate(model.bert.encoder.layer):
        layer.output.register_forward_hook(lambda module, inputs, output, number=number: ran.append(number))
    replay.logits("bert.encoder.layer.2.intermediate.dense")
    assert ran == [2, 3]
    ran.clear()
    replay.logits("classifier")
    assert ran == []


def test_a_shared_layer_is_computed_every_time() -> None:
    model = small("albert")
    names = full_recipe(model).quantized
    assert Replay(model, BATCH, names).passes(names) == len(names)


def test_what_a_ranking_costs() -> None:
    model = tiny_bert(num_hidden_layers=4)
    names = full_recipe(model).quantized
    replay = Replay(model, BATCH, names)
    assert replay.passes(["bert.encoder.layer.0.output.dense"]) == 1.0
    assert replay.passes(["bert.encoder.layer.3.output.dense"]) == 0.25
    assert replay.passes(["classifier"]) == 0.0
    assert replay.passes(names) == 6 * (1 + 0.75 + 0.5 + 0.25)


@pytest.mark.parametrize(("evaluated", "rows"), [(24, 4), (170, 10), (1700, 100)], ids=["few", "some", "many"])
def test_a_ranking_costs_as_many_rows_as_one_evaluation(evaluated: int, rows: int) -> None:
    model = tiny_bert(num_hidden_layers=4)  # 15 forward passes, and two to record and check
    assert affordable_rows(ModuleSwapper(model), full_recipe(model), BATCH, evaluated) == rows


def test_the_sum_over_batches_is_that_of_whole_passes() -> None:
    model = sensitive_bert()
    recipe, swapper = full_recipe(model), ModuleSwapper(model)
    batches = [BATCH, {"input_ids": IDS[:, :3]}]
    found = sensitivities(swapper, recipe, batches)
    for name in recipe.quantized:
        expected = 0.0
        for batch in batches:
            swapper.restore()
            with torch.no_grad():
                before = model(**batch).logits
                swapper.apply(recipe.only([name]))
                expected += float((model(**batch).logits - before).double().square().sum())
        assert math.isclose(found[name], expected, rel_tol=1e-12, abs_tol=0.0)
    assert max(found, key=lambda name: found[name]) == "bert.pooler.dense"


def test_a_search_ranks_on_no_more_rows_than_it_may(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="nc_trainer.search.calibration.space")
    trainer = tiny_trainer(tmp_path, sensitive_bert())
    trainer.quantize(TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"absolute": 0.05}}}))
    assert "Ranking 14 modules on 4 rows." in caplog.text  # no fewer, though 24 rows / 11 forward passes are 2
