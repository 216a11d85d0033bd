"""A module in which int8 fails for a few columns of its input, through `quantize()`."""

from pathlib import Path

import torch
from helpers.logits import logits
from helpers.tiny import config, sensitive_bert, tiny_trainer

from nc_trainer import OptimizedModel
from nc_trainer.int8.nn import Int8Linear

POOLER = "bert.pooler.dense"


def test_the_columns_stay_in_float_and_the_module_in_int8(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, sensitive_bert())
    result = trainer.quantize(config(0.05))
    assert result.outcome == "met"
    assert result.trials[0].accepted is False
    assert list(result.recipe.float_columns) == [POOLER]
    assert 0 in result.recipe.float_columns[POOLER]
    assert result.recipe.fallbacks == ()
    assert isinstance(trainer.model.get_submodule(POOLER), Int8Linear)


def test_no_more_trials_are_needed_than_for_a_fallback(tmp_path: Path) -> None:
    with_columns = tiny_trainer(tmp_path / "a", sensitive_bert()).quantize(config(0.05))
    without = {"recipes": {"float_columns": False}}
    fallbacks = tiny_trainer(tmp_path / "b", sensitive_bert()).quantize(config(0.05, quantization=without))
    assert fallbacks.recipe.fallbacks == (POOLER,)
    assert len(with_columns.trials) == len(fallbacks.trials)


def test_where_only_one_module_is_free_it_has_columns(tmp_path: Path) -> None:
    only_int8 = {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["int8"]}}
    others = {r"bert\.encoder\..*": only_int8, "classifier": only_int8}
    result = tiny_trainer(tmp_path, sensitive_bert()).quantize(config(0.05, quantization={"op_wise": others}))
    assert list(result.recipe.float_columns) == [POOLER]


def test_what_is_saved_answers_as_what_was_judged(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, sensitive_bert())
    trainer.quantize(config(0.05))
    trainer.save_model(str(tmp_path / "int8"))
    loaded = OptimizedModel.from_pretrained(tmp_path / "int8")
    assert torch.equal(logits(loaded), logits(trainer.model))
    card = (tmp_path / "int8" / "README.md").read_text()
    assert f"with a few input columns in float: `{POOLER}` (" in card
