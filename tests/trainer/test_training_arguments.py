from pathlib import Path

import pytest
from transformers import HfArgumentParser

from nc_trainer import NCTrainerError, QuantizationTrainingArguments


def parse(tmp_path: Path, *flags: str) -> QuantizationTrainingArguments:
    (arguments,) = HfArgumentParser(QuantizationTrainingArguments).parse_args_into_dataclasses(
        ["--output_dir", str(tmp_path), "--report_to", "none", *flags]
    )
    return arguments


@pytest.mark.parametrize("flag", ["tune", "int8", "benchmark", "accuracy_only", "overwrite_output_dir"])
def test_flags_are_off_until_given(tmp_path: Path, flag: str) -> None:
    assert getattr(parse(tmp_path), flag) is False
    assert getattr(parse(tmp_path, f"--{flag}"), flag) is True


def test_no_cuda_means_use_cpu(tmp_path: Path) -> None:
    arguments = parse(tmp_path, "--no_cuda")
    assert arguments.use_cpu is True
    assert arguments.no_cuda is True


def test_the_second_command_of_the_original_readme_parses(tmp_path: Path) -> None:
    flags = "--do_eval --per_device_eval_batch_size 1 --no_cuda --benchmark --int8 --overwrite_output_dir"
    arguments = parse(tmp_path, *flags.split())
    assert arguments.benchmark
    assert arguments.int8
    assert arguments.per_device_eval_batch_size == 1


def test_options_with_values(tmp_path: Path) -> None:
    arguments = parse(tmp_path, "--tuning_config", "conf.yaml", "--int8_embeddings", "--benchmark_iters", "7")
    assert arguments.tuning_config == "conf.yaml"
    assert arguments.int8_embeddings is True
    assert arguments.benchmark_iters == 7


@pytest.mark.parametrize("other", ["int8", "benchmark", "accuracy_only"])
def test_tune_goes_alone(tmp_path: Path, other: str) -> None:
    with pytest.raises(NCTrainerError, match="one after the other"):
        parse(tmp_path, "--tune", f"--{other}")


def test_negative_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NCTrainerError, match="`--benchmark_warmup` is -1"):
        parse(tmp_path, "--benchmark_warmup", "-1")


def test_arguments_survive_to_dict(tmp_path: Path) -> None:
    assert parse(tmp_path, "--tune").to_dict()["tune"] is True
