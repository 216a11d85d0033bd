"""The example script, run in this process on a tiny BERT and a tiny GLUE folder."""

import importlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.example_scripts import EXAMPLES, Run, example, results, write, write_model
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification, BertForMaskedLM

pytestmark = pytest.mark.slow

EXAMPLE = EXAMPLES / "text-classification"
SENTENCES = [("a good film", 1), ("great plots", 1), ("the bad film", 0), ("awful plot", 0), ("fine films", 1)] * 4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other make tiny models forty times slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The script's `main`, from another directory, with a model in `model` and data in `$GLUE_DIR`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLUE_DIR", str(write_glue(tmp_path / "glue")))
    write_model(tmp_path / "model")
    return example("text-classification", "run_glue_tune")


def write_glue(directory: Path) -> Path:
    rows = "".join(f"{text}\t{label}\n" for text, label in SENTENCES)
    write(directory / "SST-2/train.tsv", f"sentence\tlabel\n{rows}")
    write(directory / "SST-2/dev.tsv", f"sentence\tlabel\n{rows}")
    write(directory / "SST-2/test.tsv", "index\tsentence\n0\ta good film\n1\tpoor plot\n2\tthe\n")
    pairs = "sentence1\tsentence2\tgold_label\na film\tgood\tneutral\nbad\tfilms\tcontradiction\n"
    for name in ("train", "dev_matched", "dev_mismatched"):
        write(directory / f"MNLI/{name}.tsv", pairs)
    write(directory / "STS-B/train.tsv", "sentence1\tsentence2\tscore\na\tb\t1.5\nc\td\t5\ne\tf\t0\n")
    write(directory / "STS-B/dev.tsv", "sentence1\tsentence2\tscore\na\tb\t1.5\nc\td\t5\ne\tf\t0\n")
    write(directory / "STS-B/test.tsv", "sentence1\tsentence2\na\tb\n")
    return directory


TUNE = (
    "--model_name_or_path model --task_name sst2 --do_eval --do_train --max_seq_length 16 "
    "--per_device_eval_batch_size 16 --no_cuda --output_dir ./int8_model_dir --tune --overwrite_output_dir"
)
BENCHMARK = (
    "--model_name_or_path ./int8_model_dir --task_name sst2 --do_eval --max_seq_length 16 "
    "--per_device_eval_batch_size 1 --no_cuda --output_dir ./output_log --benchmark --int8 --overwrite_output_dir "
    "--benchmark_iters 3 --benchmark_warmup 1"
)


def test_tune_then_benchmark(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The two commands of the README, on a shorter sequence."""
    run(TUNE)
    printed = capsys.readouterr().out
    assert "Outcome: " in printed
    assert "The int8 model was saved in ./int8_model_dir" in printed
    directory = tmp_path / "int8_model_dir"
    with safe_open(directory / "model.safetensors", "pt") as tensors:
        kinds = {tensors.get_slice(key).get_dtype() for key in tensors.keys()}  # noqa: SIM118
    assert "I8" in kinds
    assert not list(directory.glob("checkpoint-*")), "tuning must not train"
    tuned = results(directory)
    assert tuned["eval_samples"] == len(SENTENCES)

    run(BENCHMARK)
    printed = capsys.readouterr().out
    for expected in ("Accuracy: ", "Batch size = 1", "Throughput: ", "samples/sec", "Latency: "):
        assert expected in printed
    timing = json.loads((tmp_path / "output_log/benchmark.json").read_text())["models"][0]
    assert timing["metric_value"] == tuned["eval_accuracy"]
    assert len(timing["latencies_s"]) == 3


def test_tuning_leaves_the_given_model_alone(run: Run, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    run(TUNE)
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before


def test_evaluating_the_float_model(run: Run, tmp_path: Path) -> None:
    run("--model_name_or_path model --task_name SST-2 --do_eval --no_cuda --max_seq_length 16 --output_dir out")
    assert results(tmp_path / "out")["eval_samples"] == len(SENTENCES)
    assert 0 <= results(tmp_path / "out")["eval_accuracy"] <= 1


def test_accuracy_only_prints_what_tuning_would_judge(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("--model_name_or_path model --task_name sst2 --accuracy_only --no_cuda --max_seq_length 16 --output_dir out")
    accuracy = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Accuracy: ")]
    assert len(accuracy) == 1
    assert accuracy[0].endswith("(accuracy)")


def test_training_learns_saves_and_predicts(run: Run, tmp_path: Path) -> None:
    run(
        "--model_name_or_path model --task_name sst2 --do_train --do_eval --do_predict --no_cuda --output_dir out "
        "--max_seq_length 16 --num_train_epochs 12 --learning_rate 5e-3 --per_device_train_batch_size 4"
    )
    out = tmp_path / "out"
    assert results(out)["train_samples"] == len(SENTENCES)
    assert results(out)["eval_accuracy"] == 1
    assert (out / "README.md").exists()
    model = AutoModelForSequenceClassification.from_pretrained(out)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    lines = (out / "predict_results_test.txt").read_text().splitlines()
    assert lines[:2] == ["index\tprediction", "0\tpositive"]
    assert len(lines) == 4


def test_training_resumes_unless_the_output_is_overwritten(run: Run, tmp_path: Path) -> None:
    options = (
        "--model_name_or_path model --task_name sst2 --do_train --no_cuda --output_dir out --max_seq_length 16 "
        "--per_device_train_batch_size 10 --save_strategy epoch --num_train_epochs"
    )

    def logged_steps() -> list[int]:
        state = json.loads((tmp_path / "out/trainer_state.json").read_text())
        return [entry["step"] for entry in state["log_history"] if "loss" in entry]

    run(f"{options} 1 --logging_steps 1")
    assert logged_steps() == [1, 2]
    run(f"{options} 2 --logging_steps 1")
    assert logged_steps() == [1, 2, 3, 4]
    shutil.rmtree(tmp_path / "out" / "checkpoint-4")
    run(f"{options} 1 --logging_steps 2 --overwrite_output_dir")
    assert logged_steps() == [2]


def test_mnli_is_evaluated_on_both_of_its_splits(run: Run, tmp_path: Path) -> None:
    write_model(tmp_path / "model", num_labels=3)
    run("--model_name_or_path model --task_name mnli --do_eval --no_cuda --max_seq_length 16 --output_dir out")
    assert {"eval_accuracy", "eval_accuracy_mm", "eval_samples", "eval_samples_mm"} <= set(results(tmp_path / "out"))


def test_a_model_without_a_head_gets_one_for_the_task(run: Run, tmp_path: Path) -> None:
    write_model(tmp_path / "model", BertForMaskedLM)
    run(
        "--model_name_or_path model --task_name stsb --do_train --do_eval --do_predict --no_cuda --output_dir out "
        "--max_seq_length 16 --num_train_epochs 1"
    )
    assert {"eval_pearson", "eval_spearmanr", "eval_combined_score"} <= set(results(tmp_path / "out"))
    prediction = (tmp_path / "out/predict_results_test.txt").read_text().splitlines()[1]
    assert re.fullmatch(r"0\t-?\d+\.\d{3}", prediction)


def test_ones_own_files_and_sample_limits(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "review,label\n" + "".join(f"{text},{label}\n" for text, label in SENTENCES))
    write(tmp_path / "dev.csv", "review,label\ngood film,1\nfine film,1\ngreat film,1\n")
    run(
        "--model_name_or_path model --train_file train.csv --validation_file dev.csv --do_train --do_eval --no_cuda "
        "--max_train_samples 8 --max_eval_samples 2 --pad_to_max_length false --num_train_epochs 1 --output_dir out"
    )
    assert (results(tmp_path / "out")["train_samples"], results(tmp_path / "out")["eval_samples"]) == (8, 2)


def test_the_mapped_labels_of_a_model_count(run: Run, tmp_path: Path) -> None:
    """A model whose first label is `positive` is as accurate as one whose second is."""
    options = "--task_name sst2 --do_eval --no_cuda --max_seq_length 16"
    for name, order in (("model", ("negative", "positive")), ("swapped", ("positive", "negative"))):
        names: dict[str, Any] = {
            "id2label": dict(enumerate(order)),
            "label2id": {label: i for i, label in enumerate(order)},
        }
        write_model(tmp_path / name, **names)
        run(f"--model_name_or_path {name} {options} --output_dir out_{name}")
    accuracies = [results(tmp_path / f"out_{name}")["eval_accuracy"] for name in ("model", "swapped")]
    assert sum(accuracies) == pytest.approx(1)
    assert accuracies[0] != accuracies[1]


def test_options_may_come_from_a_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {
        "model_name_or_path": "model",
        "task_name": "sst2",
        "do_eval": True,
        "no_cuda": True,
        "output_dir": "out",
        "max_seq_length": 16,
        "report_to": "none",
    }
    write(tmp_path / "options.json", json.dumps(options))
    importlib.import_module("run_glue_tune").main(["options.json"])
    assert results(tmp_path / "out")["eval_samples"] == len(SENTENCES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param("--task_name sst2 --int8 --do_eval", "'model' holds a float model", id="int8 of a float model"),
        pytest.param("--task_name sst2 --int8 --do_train", "weights are frozen", id="training int8"),
        pytest.param("--task_name sst2 --int8 --tune", "one after the other", id="tuning int8"),
        pytest.param("--task_name mnli --do_eval", r"fine-tuned with 2 label\(s\).*the data has 3", id="labels"),
        pytest.param("--task_name ax --do_eval", "unknown GLUE task 'ax'", id="unknown task"),
        pytest.param("--task_name wnli --do_eval", "has no folder 'WNLI'", id="no folder"),
        pytest.param("--do_eval", "no data: give --task_name", id="no data"),
        pytest.param("--do_eval --train_file train.csv", "train.csv does not exist", id="no such file"),
        pytest.param("--task_name sst2 --do_evil", "--do_evil", id="unknown option"),
        pytest.param("--task_name sst2 --max_eval_samples 0", "--max_eval_samples is 0", id="no samples"),
        pytest.param("--train_file a.csv --dataset_location b", "not both", id="two sources"),
    ],
)
def test_a_mistake_ends_the_script_with_one_message(run: Run, options: str, message: str) -> None:
    with pytest.raises(SystemExit, match=f"(?s)error: .*{message}"):
        run(f"--model_name_or_path model --no_cuda --output_dir out {options}")


def test_a_missing_model_is_named(run: Run) -> None:
    with pytest.raises(SystemExit, match=r"could not load the model '\./gone'"):
        run("--model_name_or_path ./gone --task_name sst2 --do_eval --no_cuda --output_dir out")


def test_a_missing_split_says_which_option_needs_it(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "text,label\na,0\nb,1\n")
    with pytest.raises(SystemExit, match=r"no validation data.*give --validation_file"):
        run("--model_name_or_path model --train_file train.csv --do_eval --no_cuda --output_dir out")


def test_tuning_needs_a_fine_tuned_model(run: Run, tmp_path: Path) -> None:
    write_model(tmp_path / "model", BertForMaskedLM)
    with pytest.raises(SystemExit, match="not fine-tuned for the task"):
        run(TUNE)


def test_tuning_does_not_replace_the_float_model(run: Run) -> None:
    with pytest.raises(SystemExit, match="its weights would be lost"):
        run("--model_name_or_path model --task_name sst2 --tune --no_cuda --output_dir ./model")


def test_a_mistake_in_the_yaml_is_named(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "typo.yaml", "tuning:\n  accuracy_criterion:\n    relativ: 0.01\n")
    with pytest.raises(SystemExit, match=r"typo\.yaml.*tuning\.accuracy_criterion\.relativ"):
        run(f"{TUNE} --tuning_config typo.yaml")


def test_an_int8_directory_needs_the_int8_option(run: Run) -> None:
    run(TUNE)
    with pytest.raises(SystemExit, match="'int8_model_dir' holds a quantized model: add --int8"):
        run("--model_name_or_path int8_model_dir --task_name sst2 --do_eval --no_cuda --output_dir out")


def test_the_configuration_beside_the_script_is_accepted(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(f"{TUNE} --tuning_config {EXAMPLE / 'conf.yaml'}")
    assert "Outcome: " in capsys.readouterr().out


def test_columns_with_names_of_ones_own(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"{number},{text},x,{'yes' if label else 'no'}\n" for number, (text, label) in enumerate(SENTENCES))
    write(tmp_path / "dev.csv", f"key,review,author,liked\n{rows}")
    columns = "--text_column_names review --label_column_name liked"
    run(f"--model_name_or_path model --validation_file dev.csv {columns} --tune --do_eval --no_cuda --output_dir out")
    assert results(tmp_path / "out")["eval_samples"] == len(SENTENCES)


def test_a_metric_that_is_not_a_number_is_not_tuned_for(run: Run, tmp_path: Path) -> None:
    """A correlation with labels that are all the same."""
    write_model(tmp_path / "model", num_labels=1)
    write(tmp_path / "glue/STS-B/dev.tsv", "sentence1\tsentence2\tscore\na\tb\t1.5\nc\td\t1.5\n")
    with pytest.raises(SystemExit, match="float model's spearmanr is nan: there is nothing to compare with"):
        run("--model_name_or_path model --task_name stsb --tune --no_cuda --output_dir out --max_seq_length 16")
