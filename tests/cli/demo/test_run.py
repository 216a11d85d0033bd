import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    set_seed,
)

from nc_trainer.cli.demo import run
from nc_trainer.cli.demo.reload import check_in_new_process
from nc_trainer.cli.demo.train import Size

pytestmark = pytest.mark.slow

TINY = Size(layers=1, hidden=32, heads=2, intermediate=64, epochs=1)


@pytest.fixture
def batches() -> list[dict[str, torch.Tensor]]:
    ids = torch.randint(0, 50, (3, 7), generator=torch.Generator().manual_seed(0))
    return [{"input_ids": ids, "attention_mask": torch.ones_like(ids)}, {"input_ids": ids[:2, :5]}]


@pytest.fixture
def model() -> BertForSequenceClassification:
    set_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    return BertForSequenceClassification(config)


def test_the_demo_leaves_data_both_models_and_the_benchmark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, TINY, train_rows=120, dev_rows=60)
    printed = capsys.readouterr().out
    assert "The logits are the same, bit for bit." in printed
    assert "of 60 changed" in printed
    assert len((tmp_path / "data" / "validation.csv").read_text().splitlines()) == 61
    fp32, int8 = (tmp_path / name / "model.safetensors" for name in ("fp32", "int8"))
    assert int8.stat().st_size < fp32.stat().st_size
    report = json.loads((tmp_path / "benchmark.json").read_text())
    assert [timing["name"] for timing in report["models"]] == ["fp32", "int8"]
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path / "int8").config.quantization_config


def test_a_model_that_changed_after_saving_is_noticed(
    model: BertForSequenceClassification, batches: list[dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        model.classifier.bias[0] += 1e-3
    assert not check_in_new_process(model, tmp_path, batches)


def test_a_directory_that_does_not_load_is_an_error(
    model: BertForSequenceClassification, batches: list[dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="in a new process failed"):
        check_in_new_process(model, tmp_path, batches)
