"""`per_label` through `quantize()`: the whole way from the configuration to the result."""

from pathlib import Path

import numpy as np
import pytest
from helpers.tiny import config, sensitive_bert, tiny_bert, tiny_trainer
from transformers import EvalPrediction

from nc_trainer import NCTrainerError, TuningConfig
from nc_trainer.config import AccuracyCriterion


def rule(per_label: float | None) -> TuningConfig:
    """The metric may lose everything: labels decide."""
    return config(accuracy_criterion={"absolute": 1.0, "agreement": 0, "per_label": per_label})


def constant(prediction: EvalPrediction) -> dict[str, float]:
    return {"score": 1.0}


@pytest.mark.slow
def test_what_loses_a_label_goes_back_to_float_whatever_the_metric(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=constant)
    result = trainer.quantize(rule(0.05))
    assert result.outcome == "met"
    assert 0 in result.recipe.float_columns["bert.pooler.dense"]
    assert "no label's recall lower by more than 0.05" in result.reason
    lost = [trial.lost_label for trial in result.trials if trial.lost_label is not None]
    assert f"not met, label {lost[0]}" in result.table()


@pytest.mark.slow
def test_without_it_the_same_search_takes_everything_in_int8(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, sensitive_bert(), compute_metrics=constant)
    recipe = trainer.quantize(rule(None)).recipe
    assert (recipe.fallbacks, recipe.float_columns) == ((), {})


def test_of_numbers_it_is_an_error_before_the_search(tmp_path: Path) -> None:
    model = tiny_bert(num_labels=1)
    trainer = tiny_trainer(tmp_path, model, compute_metrics=lambda prediction: {"mse": 1.0})
    with pytest.raises(NCTrainerError, match="`per_label` needs rows with a class each"):
        trainer.quantize(rule(0.1))
    assert not (tmp_path / "out" / "_tuning.jsonl").exists()


def test_a_python_option_is_a_key_of_the_file() -> None:
    assert rule(0.1).tuning.accuracy_criterion == AccuracyCriterion(absolute=1.0, agreement=0, per_label=0.1)


@pytest.mark.parametrize("wrong", [-0.1, 1, np.nan, "much"])
def test_only_shares_are_limits(wrong: object) -> None:
    with pytest.raises(NCTrainerError, match=r"tuning\.accuracy_criterion\.per_label"):
        config(accuracy_criterion={"per_label": wrong})
