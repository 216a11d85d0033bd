"""Every strategy, named in the configuration, on a model in which int8 fails in exactly one module."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.tiny import config, sensitive_bert, tiny_trainer, token_rows, with_labels_of

from nc_trainer import ConfigError, TuningConfig
from nc_trainer.search import STRATEGIES, Criterion, Metric


def searched_by(strategy: str, max_trials: int = 60) -> TuningConfig:
    return config(
        0.05,
        quantization={"calibration": {"sampling_size": 8}, "recipes": {"float_columns": False}},
        strategy={"name": strategy},
        exit_policy={"max_trials": max_trials},
    )


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_ends_with_a_verdict_that_holds(name: str, tmp_path: Path) -> None:
    if name in ("bayesian", "tpe") and find_spec("optuna") is None:
        pytest.skip("needs the extra `optuna`")
    model = sensitive_bert()
    labelled = with_labels_of(model, token_rows(seed=1))
    result = tiny_trainer(tmp_path, model, train_dataset=labelled).quantize(searched_by(name))
    criterion = Criterion(Metric("accuracy", True), None, 0.05)
    assert result.trials
    for trial in result.trials:
        best = trial.high if trial.state == "pruned" else trial.value
        assert best is not None
        assert trial.accepted is criterion.accepts(best, 1.0)
    assert result.outcome == ("met" if any(trial.accepted for trial in result.trials) else "best_effort")
    if result.outcome == "met":
        assert "bert.pooler.dense" in result.recipe.fallbacks


@pytest.mark.parametrize("name", ["basic", "sequential", "mse_v2", "exhaustive"])
def test_these_strategies_find_the_one_module(name: str, tmp_path: Path) -> None:
    result = tiny_trainer(tmp_path, sensitive_bert()).quantize(searched_by(name))
    assert result.recipe.fallbacks == ("bert.pooler.dense",)


def test_an_unknown_strategy_is_refused_before_anything_runs(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: pytest.fail("evaluated"))
    with pytest.raises(ConfigError, match=r"tuning\.strategy\.name: unknown strategy `best`.*'basic'"):
        trainer.quantize(searched_by("best"))
