"""What is not int8 computes in bfloat16 where the criterion allows it."""

from pathlib import Path

import pytest
import torch
from helpers.tiny import sensitive_bert, tiny_bert, tiny_trainer
from transformers import BertForSequenceClassification

from nc_trainer import TuningConfig
from nc_trainer.report.result import QuantizationResult


@pytest.fixture(autouse=True)
def a_cpu_with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "nc_trainer.search.start.float_dtype", lambda wanted: "bfloat16" if wanted == "auto" else wanted
    )


def quantized(tmp_path: Path, model: BertForSequenceClassification, wanted: str = "auto") -> QuantizationResult:
    how = {"float_dtype": wanted, "recipes": {"float_columns": False}}
    config = {"quantization": how, "tuning": {"accuracy_criterion": {"absolute": 0.05}}}
    return tiny_trainer(tmp_path, model).quantize(TuningConfig.from_dict(config))


def bert_that_bfloat16_breaks() -> BertForSequenceClassification:
    """Its embeddings are around 1000, where bfloat16 tells multiples of 4 apart; the layer norm takes that away."""
    model = tiny_bert()
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight += 1000
    return model


def dtypes(result: QuantizationResult) -> list[str]:
    return [trial.recipe.float_dtype for trial in result.trials]


def test_where_it_does_no_harm_it_is_kept(tmp_path: Path) -> None:
    result = quantized(tmp_path, tiny_bert())
    assert (result.outcome, dtypes(result)) == ("met", ["bfloat16"])
    assert result.model.bert.encoder.layer[0].output.LayerNorm.weight.dtype == torch.bfloat16


def test_where_it_breaks_the_criterion_the_rest_is_float32(tmp_path: Path) -> None:
    model = bert_that_bfloat16_breaks()
    result = quantized(tmp_path, model)
    assert (result.outcome, dtypes(result)) == ("met", ["bfloat16", "float32"])
    assert result.chosen.number == 2
    assert result.recipe.fallbacks == ()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_where_int8_breaks_it_the_module_falls_back_and_the_rest_is_bfloat16(tmp_path: Path) -> None:
    result = quantized(tmp_path, sensitive_bert())
    assert result.outcome == "met"
    assert dtypes(result) == ["bfloat16", "float32", "float32", "bfloat16"]
    assert result.recipe.fallbacks == ("bert.pooler.dense",)
    assert result.chosen.number == 4


def test_who_insists_on_bfloat16_gets_it(tmp_path: Path) -> None:
    result = quantized(tmp_path, bert_that_bfloat16_breaks(), wanted="bfloat16")
    assert result.outcome == "best_effort"
    assert set(dtypes(result)) == {"bfloat16"}


def test_the_table_shows_it(tmp_path: Path) -> None:
    lines = quantized(tmp_path, bert_that_bfloat16_breaks()).table().splitlines()
    assert lines[0].split()[5:7] == ["rest", "seconds"]
    assert "bfloat16" in lines[2]
    assert "float32" in lines[3]
