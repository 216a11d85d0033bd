import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from nc_trainer.benchmark import benchmark_models
from nc_trainer.errors import NCTrainerError


class Recorder(nn.Module):
    """Notes what it was called with; the log is shared, so that the order between models shows."""

    def __init__(self, name: str, log: list[tuple[str, int]]) -> None:
        super().__init__()
        self.name, self.log = name, log
        self.dropout = nn.Dropout()
        self.modes: set[tuple[bool, bool]] = set()

    def forward(self, x: Tensor) -> Tensor:
        self.log.append((self.name, int(x[0])))
        self.modes.add((self.training or self.dropout.training, torch.is_inference_mode_enabled()))
        return x


def numbered_batches(count: int, rows: int = 2) -> list[dict[str, Tensor]]:
    return [{"x": torch.full((rows,), number)} for number in range(count)]


@pytest.fixture
def log() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def models(log: list[tuple[str, int]]) -> dict[str, Recorder]:
    return {name: Recorder(name, log) for name in ("fp32", "int8")}


def test_every_model_sees_the_same_batches_in_turn(models: dict[str, Recorder], log: list[tuple[str, int]]) -> None:
    benchmark_models(models, numbered_batches(2), warmup=0, iterations=3)
    assert log == [("fp32", 0), ("int8", 0), ("int8", 1), ("fp32", 1), ("fp32", 0), ("int8", 0)]


def test_timed_rounds_start_at_the_first_batch_whatever_the_warmup(
    models: dict[str, Recorder], log: list[tuple[str, int]]
) -> None:
    benchmark_models(models, numbered_batches(3), warmup=2, iterations=4)
    assert [batch for name, batch in log if name == "fp32"] == [0, 1, 0, 1, 2, 0]


def test_zero_iterations_is_one_pass_over_all_batches(models: dict[str, Recorder]) -> None:
    report = benchmark_models(models, numbered_batches(5, rows=3), warmup=1, iterations=0)
    assert report.settings.iterations == 5
    assert [(len(timing.latencies_s), timing.samples) for timing in report.models] == [(5, 15), (5, 15)]


def test_samples_and_shapes_are_those_of_the_timed_rounds(models: dict[str, Recorder]) -> None:
    batches = [*numbered_batches(2, rows=4), {"x": torch.zeros(1)}]
    report = benchmark_models(models, batches, warmup=3, iterations=4)
    assert report.workload.samples == 4 + 4 + 1 + 4
    assert (report.workload.batch_size_min, report.workload.batch_size_max) == (1, 4)
    assert report.models[0].batch_size == 4


def test_models_run_in_eval_and_inference_mode(models: dict[str, Recorder]) -> None:
    benchmark_models(models, numbered_batches(1), warmup=1, iterations=2)
    assert [model.modes for model in models.values()] == [{(False, True)}, {(False, True)}]


def test_every_module_gets_its_own_mode_back(models: dict[str, Recorder]) -> None:
    models["fp32"].train()
    models["fp32"].dropout.eval()
    models["int8"].eval()
    benchmark_models(models, numbered_batches(1), warmup=0, iterations=1)
    modes = {name: (model.training, model.dropout.training) for name, model in models.items()}
    assert modes == {"fp32": (True, False), "int8": (False, False)}


def test_modes_come_back_after_a_model_fails(models: dict[str, Recorder]) -> None:
    models["int8"].train()
    with pytest.raises(TypeError):
        benchmark_models(models, [{"unexpected": torch.zeros(1)}], warmup=0, iterations=1)
    assert models["int8"].training
    assert models["int8"].dropout.training


def test_later_models_are_compared_with_the_first(log: list[tuple[str, int]]) -> None:
    models = {name: Recorder(name, log) for name in ("fp32", "bf16", "int8")}
    report = benchmark_models(models, numbered_batches(1), warmup=0, iterations=6)
    assert [(one.baseline, one.candidate, one.rounds) for one in report.comparisons] == [
        ("fp32", "bf16", 6),
        ("fp32", "int8", 6),
    ]


def test_scores_sizes_and_engine_are_carried_into_the_report(models: dict[str, Recorder]) -> None:
    report = benchmark_models(
        models,
        numbered_batches(1),
        warmup=0,
        iterations=1,
        engine="reference",
        metric_name="eval_f1",
        metric_values={"int8": 0.86},
        file_sizes_mb={"fp32": 90.9},
    )
    fp32, int8 = report.models
    assert (fp32.metric_name, fp32.metric_value, fp32.file_size_mb) == (None, None, 90.9)
    assert (int8.metric_name, int8.metric_value, int8.file_size_mb) == ("eval_f1", 0.86, None)
    assert report.machine.engine == "reference"


def test_a_bert_classifier_is_left_as_it_was() -> None:
    config = BertConfig(
        vocab_size=32,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    model = BertForSequenceClassification(config).train()
    before = copy.deepcopy(model.state_dict())
    ids = torch.arange(16).reshape(2, 8)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    report = benchmark_models({"fp32": model}, [{"input_ids": ids, "attention_mask": mask}], warmup=1, iterations=2)
    assert report.workload.sequence_length_max == 8
    assert (report.workload.tokens_real, report.workload.tokens_padding) == (2 * 13, 2 * 3)
    assert report.comparisons == ()
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"models": {}}, "nothing to time", id="no models"),
        pytest.param({"batches": []}, "no batches", id="no batches"),
        pytest.param({"iterations": -1}, "iterations is -1", id="negative iterations"),
        pytest.param({"warmup": -1}, "warmup is -1", id="negative warm-up"),
        pytest.param({"metric_values": {"fp32": 1.0}}, "without metric_name", id="nameless metric"),
        pytest.param({"metric_name": "f1", "metric_values": {"fp16": 1.0}}, "metric_values names", id="unknown score"),
        pytest.param({"file_sizes_mb": {"fp16": 1.0}}, "file_sizes_mb names", id="unknown size"),
        pytest.param({"batches": [{"x": torch.zeros(2, device="meta")}]}, "'x' of batch 0 is on meta", id="batch"),
        pytest.param(
            {"models": {"fp32": nn.Linear(1, 1, device="meta")}},
            "'weight' of model 'fp32' is on meta",
            id="model",
        ),
    ],
)
def test_bad_input(models: dict[str, Recorder], changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "models": models,
        "batches": numbered_batches(1),
        "warmup": 0,
        "iterations": 1,
    }
    with pytest.raises(NCTrainerError, match=message):
        benchmark_models(**{**arguments, **changes})
