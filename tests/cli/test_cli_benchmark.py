"""`nc-trainer benchmark` on local model directories and a csv file."""

import csv
import json
from pathlib import Path

import pytest
from helpers.sample_reports import MACHINE, REPORT, replaced
from helpers.tiny import tiny_bert, tiny_tokenizer

from nc_trainer.benchmark import BenchmarkOptions
from nc_trainer.cli.main import main as run
from nc_trainer.cli.main import make_parser, read_benchmark_options

pytestmark = pytest.mark.slow

QUICK = ["--warmup", "0", "--iterations", "2", "--batch_size", "2"]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a model `a{}` and `dev.csv`."""
    tiny_bert().save_pretrained(tmp_path / "a{}")
    tiny_tokenizer().save_pretrained(tmp_path / "a{}")
    with open(tmp_path / "dev.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["sentence", "label"], *([f"w{row} w{row + 1}", row % 3] for row in range(6))])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_float_directory_in_both_dtypes_saved_as_json_and_csv(directory: Path) -> None:
    options = ["--data", "dev.csv", *QUICK, "--float_dtype", "float32", "bfloat16", "--output", "r.json", "r.csv"]
    assert run(["benchmark", "a{}", *options]) == 0
    models = json.loads((directory / "r.json").read_text())["models"]
    assert [model["name"] for model in models] == ["a{} fp32", "a{} bf16"]
    assert models[0]["file_size_mb"] == (directory / "a{}/model.safetensors").stat().st_size / 1e6
    assert models[1]["file_size_mb"] is None
    with open(directory / "r.csv", newline="", encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["a{} fp32", "a{} bf16"]


def test_rows_padded_to_the_maximum(directory: Path) -> None:
    options = ["--data", "dev.csv", *QUICK, "--max_seq_length", "9", "--pad_to_max_length", "--output", "r.json"]
    assert run(["benchmark", "a{}", *options]) == 0
    workload = json.loads((directory / "r.json").read_text())["workload"]
    assert (workload["sequence_length_min"], workload["lengths"]) == (9, "padded")


def test_the_command_line_goes_before_the_file(directory: Path) -> None:
    (directory / "conf.yaml").write_text("evaluation: {performance: {warmup: 2, iteration: 7}}\n")
    options = make_parser().parse_args(["benchmark", "m", "--tuning_config", "conf.yaml", "--warmup", "0"])
    assert read_benchmark_options(options) == BenchmarkOptions(warmup=0, iterations=7)
    assert read_benchmark_options(make_parser().parse_args(["benchmark", "m"])) == BenchmarkOptions()


@pytest.mark.parametrize(
    ("threads", "status", "said"),
    [(2, 0, "int8 against before: "), (4, 1, "Differs: threads 2 before, 4 after")],
    ids=["the same machine", "other threads"],
)
def test_two_saved_reports(
    directory: Path, threads: int, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = MACHINE.__class__(**{**MACHINE.__dict__, "threads": threads})
    REPORT.save("a.json")
    replaced(machine=machine).save("b.json")
    assert run(["benchmark", "--compare", "a.json", "b.json"]) == status
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "needs a MODEL directory and --data", id="nothing"),
        pytest.param(["a{}"], "needs a MODEL directory and --data", id="no data"),
        pytest.param(["a{}", "--data", "dev.csv", "--num_of_instance", "9999"], "needs 9999 cores", id="cores"),
        pytest.param(["a{}", "--data", "dev.csv", "--warmup", "-1"], "warmup is -1", id="warm-up"),
        pytest.param(["--compare", "a.json", "b.json"], "Cannot read a benchmark report from a.json", id="no report"),
        pytest.param(["a{}", "a{}", "--data", "dev.csv"], "named twice", id="twice"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["benchmark", *arguments]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert len(errors.splitlines()) == 1
