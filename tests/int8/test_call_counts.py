"""A module that runs more than once in a forward pass is one entry of the recipe: the result says so."""

from pathlib import Path

import pytest
import torch
from helpers.architectures import small
from helpers.tiny import tiny_bert, tiny_trainer

from nc_trainer import TuningConfig
from nc_trainer.int8.call_counts import call_counts, repeated_fallbacks
from nc_trainer.int8.quantize import full_recipe
from nc_trainer.report.card import CardFacts, card_block
from nc_trainer.report.page import render_page

BATCH = {"input_ids": torch.tensor([[5, 6, 7, 8, 2]])}
FFN = "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn"


def ffn_in_float() -> TuningConfig:
    return TuningConfig.from_dict(
        {
            "quantization": {"op_wise": {FFN: {"weight": {"dtype": ["fp32"]}}}},
            "tuning": {"accuracy_criterion": {"absolute": 0.9}},
        }
    )


def test_alberts_layer_runs_as_often_as_the_model_has_layers() -> None:
    model = small("albert", num_hidden_layers=3)
    counts = call_counts(model, full_recipe(model).modules, BATCH)
    assert {name for name, calls in counts.items() if calls == 3} == {
        name for name in counts if ".albert_layers.0." in name
    }
    assert counts["albert.pooler"] == counts["classifier"] == 1


@pytest.mark.parametrize("name", ["bert", "xlnet"])
def test_everything_else_runs_once(name: str) -> None:
    model = small(name)
    assert set(call_counts(model, full_recipe(model).modules, BATCH).values()) == {1}


def test_counting_leaves_no_trace() -> None:
    model = small("xlnet").train()
    modules, parameters = list(model.named_modules()), list(model.named_parameters())
    call_counts(model, full_recipe(model).modules, BATCH)
    assert list(model.named_modules()) == modules
    assert list(model.named_parameters()) == parameters
    assert model.training
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_the_table_counts_what_one_fallback_is(tmp_path: Path) -> None:
    result = tiny_trainer(tmp_path, small("albert")).quantize(ffn_in_float())
    lines = result.table().splitlines()
    assert lines[2].endswith(f"met <- chosen  {FFN} (x2)")
    assert lines[-1] == (
        f"Note: {FFN} (x2): (xN) is one module that the forward pass runs N times. "
        "In float that is 2 of the 15 calls of modules that can be int8."
    )


def test_the_page_and_the_card_count_it_too(tmp_path: Path) -> None:
    report = tiny_trainer(tmp_path, small("albert")).quantize(ffn_in_float()).report
    assert report is not None
    assert f"<code>{FFN} (x2)</code>" in render_page(report)
    assert f"- in float: `{FFN} (x2)`" in card_block(report, CardFacts())


def test_modules_that_run_once_are_not_mentioned(tmp_path: Path) -> None:
    result = tiny_trainer(tmp_path, tiny_bert()).quantize()
    assert "(x" not in result.table()
    assert repeated_fallbacks(["classifier"], result.calls) is None
