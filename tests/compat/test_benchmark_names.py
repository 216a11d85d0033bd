"""`Benchmark` of Neural Compressor 1.x and `benchmark.fit` of 2.x."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import tiny_bert

from nc_trainer import benchmark
from nc_trainer.config import BenchmarkConfig
from nc_trainer.errors import ConfigError
from nc_trainer.experimental import Benchmark, common


@pytest.fixture
def loader() -> list[tuple[dict[str, torch.Tensor], list[int]]]:
    ids = torch.arange(1, 9).reshape(2, 4)
    return [({"input_ids": ids + number}, [0, 1]) for number in range(3)]


def test_the_2x_call(loader: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    report = benchmark.fit(tiny_bert(), BenchmarkConfig(warmup=1, iteration=5), b_dataloader=loader)
    (timing,) = report.models
    assert (timing.name, len(timing.latencies_s), timing.samples) == ("float", 5, 10)
    assert capsys.readouterr().out == f"{report}\n"


def test_by_default_all_batches_are_timed_once_as_there(loader: list[Any]) -> None:
    assert benchmark.fit(tiny_bert(), b_dataloader=loader).settings.iterations == 3


def test_a_directory_has_a_size(loader: list[Any], tmp_path: Path) -> None:
    tiny_bert().save_pretrained(tmp_path)
    (timing,) = benchmark.fit(str(tmp_path), BenchmarkConfig(warmup=0), b_dataloader=loader).models
    assert timing.file_size_mb == (tmp_path / "model.safetensors").stat().st_size / 1e6


def test_the_1x_class_reads_the_file(loader: list[Any], tmp_path: Path) -> None:
    (tmp_path / "conf.yaml").write_text("evaluation: {performance: {warmup: 2, iteration: 4}}\n")
    evaluator = Benchmark(tmp_path / "conf.yaml")
    evaluator.model = common.Model(tiny_bert())
    evaluator.b_dataloader = loader
    settings = evaluator("performance").settings
    assert (settings.warmup, settings.iterations) == (2, 4)


def test_what_is_missing_or_not_built(loader: list[Any]) -> None:
    with pytest.raises(ConfigError, match="no model was given"):
        Benchmark()()
    with pytest.raises(ConfigError, match="mode 'accuracy' is not built"):
        Benchmark()("accuracy")
    with pytest.raises(ConfigError, match="expected `b_dataloader`"):
        benchmark.fit(tiny_bert())
    with pytest.raises(ConfigError, match="no `b_func`"):
        benchmark.fit(tiny_bert(), b_dataloader=loader, b_func=print)
    with pytest.raises(ConfigError, match=r"configs\.num_of_instance`: found -3"):
        BenchmarkConfig(num_of_instance=-3)
