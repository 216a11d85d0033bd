"""`trainer.benchmark()`: what is timed beside the trainer's model, and how it is asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import accuracy, tiny_bert, tiny_trainer
from torch import Tensor

from nc_trainer import NCTrainerError, QuantizationTrainer
from nc_trainer.benchmark import BenchmarkOptions, BenchmarkReport, Facts, Footprint, ModelSource, contenders
from nc_trainer.config import AccuracyCriterion, QuantizationConfig, TuningConfig, TuningSection
from nc_trainer.int8.quantize import is_int8
from nc_trainer.trainer.trainer_benchmark import options_of

pytestmark = pytest.mark.slow

QUICK = {"benchmark_iters": 3, "benchmark_warmup": 1}


@pytest.fixture
def quantized(tmp_path: Path) -> QuantizationTrainer:
    return quantized_trainer(tmp_path)


def quantized_trainer(tmp_path: Path, **arguments: Any) -> QuantizationTrainer:
    trainer = tiny_trainer(tmp_path, arguments=QUICK | arguments)
    criterion = AccuracyCriterion(absolute=0.5)
    trainer.quantize(
        TuningConfig(
            tuning=TuningSection(accuracy_criterion=criterion), quantization=QuantizationConfig(float_dtype="float32")
        )
    )
    return trainer


def names(report: BenchmarkReport) -> list[str]:
    return [timing.name for timing in report.models]


def state(model: torch.nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def unchanged(model: torch.nn.Module, before: Mapping[str, Tensor]) -> bool:
    after = model.state_dict()
    return after.keys() == before.keys() and all(torch.equal(after[key], before[key]) for key in before)


def test_after_quantize_the_float_model_is_timed_too(quantized: QuantizationTrainer) -> None:
    before = state(quantized.model)
    report = quantized.benchmark()
    assert names(report) == ["fp32", "int8"]
    assert [timing.metric_value for timing in report.models] == [1.0, quantized.evaluate()["eval_accuracy"]]
    assert [(one.baseline, one.candidate, one.rounds) for one in report.comparisons] == [("fp32", "int8", 3)]
    assert is_int8(quantized.model)
    assert unchanged(quantized.model, before)


def test_each_state_computes_what_its_name_says(quantized: QuantizationTrainer) -> None:
    quantized.args.benchmark_baseline_dtype = ["float32", "bfloat16"]
    seen: list[tuple[bool, torch.dtype]] = []

    def look(module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        seen.append((is_int8(module), output.logits.dtype))

    quantized.model.register_forward_hook(look, with_kwargs=True)
    report = quantized.benchmark(options=BenchmarkOptions(warmup=0, iterations=1))
    assert names(report) == ["fp32", "bf16", "int8"]
    assert seen[-3:] == [(False, torch.float32), (False, torch.bfloat16), (True, torch.float32)]


def test_a_baseline_directory_is_scored_and_timed(tmp_path: Path) -> None:
    tiny_bert().save_pretrained(tmp_path / "baseline")
    trainer = tiny_trainer(tmp_path, arguments={**QUICK, "benchmark_baseline": str(tmp_path / "baseline")})
    trainer.model.classifier.weight.data.zero_()
    own = trainer.model
    report = trainer.benchmark()
    assert names(report) == ["baseline fp32", "float"]
    assert report.models[0].metric_value == 1.0
    assert report.models[1].metric_value == trainer.evaluate()["eval_accuracy"] < 1
    assert report.models[0].file_size_mb == (tmp_path / "baseline/model.safetensors").stat().st_size / 1e6
    assert trainer.model is own


def test_a_baseline_model_is_given_back_as_it_was(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, arguments={**QUICK, "benchmark_baseline_dtype": ["bfloat16"]})
    baseline = tiny_bert()
    before = state(baseline)
    assert names(trainer.benchmark(baseline=baseline)) == ["baseline bf16", "float"]
    assert unchanged(baseline, before)


def test_another_model_in_the_trainer_is_not_the_one_that_was_quantized(quantized: QuantizationTrainer) -> None:
    quantized.model = tiny_bert()
    assert names(quantized.benchmark()) == ["float"]


def test_a_model_is_found_where_it_was_saved(quantized: QuantizationTrainer) -> None:
    assert quantized.benchmark().models[1].file_size_mb is None
    quantized.save_model()
    weights = Path(str(quantized.args.output_dir), "model.safetensors")
    assert quantized.benchmark().models[1].file_size_mb == weights.stat().st_size / 1e6


def test_other_processes_are_given_directories_of_each_state(
    quantized: QuantizationTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantized.args.benchmark_baseline_dtype = ["float32", "bfloat16"]
    loaded: dict[str, tuple[bool, torch.dtype]] = {}

    def footprint(source: ModelSource, batches: object, threads: int | None) -> Footprint:
        assert threads == 1
        return Footprint(1.0, 2.0, 3.0, (0.5,), (0.1,))

    def instances(sources: Mapping[str, ModelSource], batches: Sequence[Any], *rest: Any) -> tuple[Any, ...]:
        for name, source in sources.items():
            model = source.load()
            loaded[name] = is_int8(model), next(model.parameters()).dtype
        return rest

    monkeypatch.setattr(contenders, "measure_footprint", footprint)
    monkeypatch.setattr(contenders, "benchmark_instances", instances)
    options = BenchmarkOptions(iterations=3, num_of_instance=1, threads=1, memory=True)
    rest: Any = quantized.benchmark(options=options)
    assert loaded == {
        "fp32": (False, torch.float32),
        "bf16": (False, torch.bfloat16),
        "int8": (True, torch.float32),
    }
    facts = rest[2]
    assert isinstance(facts, Facts)
    assert (set(facts.metric_values), set(facts.footprints)) == (set(loaded), set(loaded))
    assert is_int8(quantized.model)
    assert quantized.model.config.quantization_config is not None


def test_threads_are_those_asked_for_while_timing_only(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    trainer = tiny_trainer(tmp_path, arguments={**QUICK, "benchmark_threads": before + 1})
    assert trainer.benchmark().machine.threads == before + 1
    assert torch.get_num_threads() == before


def test_the_length_of_rows(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, arguments={**QUICK, "benchmark_pad_to": 20})
    padded = trainer.benchmark().workload
    assert (padded.sequence_length_min, padded.sequence_length_max, padded.lengths) == (20, 20, "padded")
    random = trainer.benchmark(options=BenchmarkOptions(iterations=2, fixed_length=16)).workload
    assert (random.sequence_length_max, random.tokens_padding, random.lengths) == (16, 0, "random tokens")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"benchmark_baseline": "nowhere"}, "nowhere is not a model directory", id="baseline"),
        pytest.param({"benchmark_baseline_dtype": ["float16"]}, "expected float32 or bfloat16", id="dtype"),
        pytest.param({"benchmark_num_of_instance": 10_000}, "needs 10000 cores", id="cores"),
    ],
)
def test_what_cannot_be_timed_is_said_before_anything_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str
) -> None:
    trainer = tiny_trainer(tmp_path, arguments=QUICK | arguments)
    monkeypatch.setattr(trainer, "score", lambda *args: pytest.fail("evaluated"))
    with pytest.raises(NCTrainerError, match=message):
        trainer.benchmark()


def test_a_baseline_for_another_task(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, arguments=QUICK)
    with pytest.raises(NCTrainerError, match="baseline has 5 labels and the trainer's model 3"):
        trainer.benchmark(baseline=tiny_bert(num_labels=5))


def test_a_failure_leaves_the_model_int8(quantized: QuantizationTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(quantized.model)

    def broken(prediction: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(quantized, "compute_metrics", broken)
    with pytest.raises(ZeroDivisionError):
        quantized.benchmark()
    assert unchanged(quantized.model, before)
    quantized.compute_metrics = accuracy
    assert quantized.evaluate()["eval_accuracy"] > 0.5


def test_the_file_sets_what_the_arguments_leave_alone(tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text(
        "evaluation:\n  performance:\n    warmup: 2\n    iteration: -1\n"
        "    configs: {cores_per_instance: 4, num_of_instance: 7, intra_num_of_threads: 3, inter_num_of_threads: 2,\n"
        "      kmp_blocktime: 1, kmp_affinity: compact}\n"
    )
    trainer = tiny_trainer(tmp_path, arguments={"tuning_config": str(file), "benchmark_warmup": 9})
    assert options_of(trainer.args) == BenchmarkOptions(
        warmup=9,
        iterations=0,
        threads=3,
        interop_threads=2,
        cores_per_instance=4,
        num_of_instance=7,
        environment={"KMP_BLOCKTIME": "1", "KMP_AFFINITY": "compact"},
    )
