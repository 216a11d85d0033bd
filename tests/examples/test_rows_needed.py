"""Which rows the scripts and the command line tokenize: to tune, no more training rows than the search reads."""

import csv
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, disable_progress_bars
from helpers.example_scripts import example, write, write_model
from transformers import AutoTokenizer

from nc_trainer.cli import quantize_command
from nc_trainer.cli.text_job import Job, make_trainer
from nc_trainer.config import CalibrationConfig, QuantizationConfig, TuningConfig
from nc_trainer.trainer import QuantizationTrainer
from nc_trainer.trainer.batches import sampled_indices, train_rows_needed

TRAINING_ROWS, EVALUATION_ROWS = 300, 5


@pytest.fixture
def tokenized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """By split, the sentences that run_glue_tune.py tokenizes with these options."""
    example("text-classification", "run_glue_tune")
    from glue_arguments import parse_arguments
    from glue_setup import load_data, tokenize_splits

    disable_progress_bars()
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model")
    for name, rows in (("train", TRAINING_ROWS), ("dev", EVALUATION_ROWS)):
        lines = "".join(f"film {number}\t{number % 2}\n" for number in range(rows))
        write(tmp_path / f"glue/SST-2/{name}.tsv", f"sentence\tlabel\n{lines}")
    write(tmp_path / "aware.yaml", "quantization: {approach: quant_aware_training}\n")
    write(tmp_path / "sixteen.yaml", "quantization: {calibration: {sampling_size: 16}}\ntuning: {random_seed: 5}\n")

    def run(options: str) -> dict[str, list[str]]:
        common = "--model_name_or_path model --task_name sst2 --dataset_location glue --output_dir out --no_cuda "
        model_args, data_args, training_args = parse_arguments((common + options).split())
        data = load_data(data_args, model_args, training_args)
        tokenizer = AutoTokenizer.from_pretrained("model")
        found = tokenize_splits(data, data_args, training_args, tokenizer, [0, 1])
        return {name: rows["sentence"][:] for name, rows in found.items()}

    return run


def test_tuning_tokenizes_the_rows_that_calibration_draws(tokenized: Any) -> None:
    found = tokenized("--tune --do_train")
    assert found["train"] == [
        f"film {number}" for number in sampled_indices(TRAINING_ROWS, 64, TuningConfig().tuning.random_seed)
    ]
    assert len(found["validation"]) == EVALUATION_ROWS


def test_the_configuration_says_how_many_and_which(tokenized: Any) -> None:
    found = tokenized("--tune --do_train --tuning_config sixteen.yaml")
    assert found["train"] == [f"film {number}" for number in sampled_indices(TRAINING_ROWS, 16, 5)]


def test_calibration_rows_are_drawn_from_the_first_that_are_asked_for(tokenized: Any) -> None:
    found = tokenized("--tune --do_train --max_train_samples 20")
    assert found["train"] == [f"film {number}" for number in range(20)]


@pytest.mark.parametrize("options", ["--do_train", "--tune --do_train --tuning_config aware.yaml"])
def test_training_tokenizes_every_row(tokenized: Any, options: str) -> None:
    assert len(tokenized(options)["train"]) == TRAINING_ROWS


def test_more_rows_are_asked_for_than_there_are() -> None:
    rows = Dataset.from_dict({"sentence": ["a", "b"]})
    config = TuningConfig(quantization=QuantizationConfig(calibration=CalibrationConfig(sampling_size=3)))
    assert train_rows_needed(rows, config)["sentence"][:] == ["a", "b"]


def test_the_command_line_tokenizes_no_more_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "model")
    for name, rows in (("train.csv", TRAINING_ROWS), ("dev.csv", EVALUATION_ROWS)):
        with open(tmp_path / name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [("text", "label"), *((f"film {number}", number % 2) for number in range(rows))]
            )
    trainers = []

    def only_made(job: Job) -> QuantizationTrainer:
        trainers.append(make_trainer(job))
        raise InterruptedError

    monkeypatch.setattr(quantize_command, "make_trainer", only_made)
    job = Job(tmp_path / "model", tmp_path / "dev.csv", tmp_path / "int8", calibration=tmp_path / "train.csv")
    with pytest.raises(InterruptedError):
        quantize_command.quantize(job, None, embeddings=False)
    assert len(trainers[0].train_dataset) == 64
    assert len(trainers[0].eval_dataset) == EVALUATION_ROWS
