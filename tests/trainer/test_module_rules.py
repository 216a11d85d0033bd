"""Rules about single modules, through `quantize()`."""

from pathlib import Path

import pytest
from helpers.tiny import config, sensitive_bert, tiny_trainer

from nc_trainer import ConfigError

FP32 = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
INT8 = {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["int8"]}}


def test_a_module_named_fp32_stays_in_float(tmp_path: Path) -> None:
    result = tiny_trainer(tmp_path).quantize(config(quantization={"op_wise": {r"bert\.encoder\.layer\.1\..*": FP32}}))
    assert len(result.recipe.fallbacks) == 6
    assert all(name.startswith("bert.encoder.layer.1.") for name in result.recipe.fallbacks)


def test_a_module_named_int8_is_never_the_fallback(tmp_path: Path) -> None:
    result = tiny_trainer(tmp_path, sensitive_bert()).quantize(
        config(0.05, quantization={"op_wise": {"bert.pooler.dense": INT8}})
    )
    assert result.outcome == "best_effort"
    assert all("bert.pooler.dense" in trial.recipe.quantized for trial in result.trials)


def test_a_name_that_matches_nothing_is_refused_before_anything_runs(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: pytest.fail("evaluated"))
    with pytest.raises(ConfigError, match=r"op_wise\.bert\.poler\.dense.*Close matches: bert\.pooler\.dense"):
        trainer.quantize(config(quantization={"op_wise": {"bert.poler.dense": FP32}}))
