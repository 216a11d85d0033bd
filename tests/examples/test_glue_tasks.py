"""All nine GLUE tasks from their official layout: tuned, then benchmarked, as a user would."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.example_scripts import Run, example, results, tune_and_benchmark, write, write_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from nc_trainer.text_data.glue.headers import HEADERS
from nc_trainer.text_data.glue.tasks import GLUE_TASKS, GlueTask

pytestmark = pytest.mark.slow

TEXTS = ["a good film", "the bad plots", "great", "awful film", "fine plots the film", "poor", "a a a bad", "plot"]
METRICS = {"cola": "matthews_correlation", "mrpc": "f1", "qqp": "f1", "stsb": "spearmanr"}


def rows_of(task: GlueTask, header: tuple[str, ...], labels: list[str]) -> str:
    """A file of TEXTS with this header; a pair's second text is the next one."""
    columns = task.file_text_columns or task.text_columns
    lines = []
    for number, label in enumerate(labels):
        cells = dict.fromkeys(header, str(number)) | {task.file_label: label}
        for place, column in enumerate(columns):
            cells[column] = TEXTS[(number + place) % len(TEXTS)]
        lines.append("\t".join(cells[column] for column in header))
    has_header = task.name != "cola" or task.file_label not in header
    return "".join(f"{line}\n" for line in ["\t".join(header)] * has_header + lines)


def write_task(task: GlueTask, directory: Path, model_dir: Path) -> None:
    """Files whose labels are what the model predicts, so that it is perfect in float."""
    labels = predicted(task, model_dir)
    labelled = [header for header in HEADERS[task.name] if task.file_label in header]
    train, last = labelled[0], labelled[-1]
    test = HEADERS[task.name][-1]
    names = ("dev_matched", "dev_mismatched") if task.name == "mnli" else ("dev",)
    for name, header in {"train": train, **dict.fromkeys(names, last)}.items():
        write(directory / f"{name}.tsv", rows_of(task, header, labels))
    for name in names:
        write(directory / f"{name.replace('dev', 'test')}.tsv", rows_of(task, test, labels))


def outputs(task: GlueTask, model_dir: Path) -> tuple[PreTrainedModel, torch.Tensor]:
    model = AutoModelForSequenceClassification.from_pretrained(model_dir)
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    seconds = [TEXTS[1:] + TEXTS[:1]] if len(task.text_columns) == 2 else []
    with torch.no_grad():
        return model, model(**tokenizer(TEXTS, *seconds, padding=True, return_tensors="pt")).logits


def balance(task: GlueTask, model_dir: Path) -> None:
    """Without it a model made at random predicts one label for everything."""
    model, logits = outputs(task, model_dir)
    model.classifier.bias.data -= logits.mean(0)
    model.save_pretrained(model_dir)


def predicted(task: GlueTask, model_dir: Path) -> list[str]:
    _, logits = outputs(task, model_dir)
    if task.is_regression:
        scores = (logits - logits.min()) / (logits.max() - logits.min()) * 5
        return [f"{score:.5f}" for score in scores.squeeze(-1).tolist()]
    return [file_labels(task)[number] for number in logits.argmax(-1).tolist()]


def file_labels(task: GlueTask) -> list[str]:
    return list(task.file_labels) or [str(number) for number in range(len(task.label_names))]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    monkeypatch.chdir(tmp_path)
    script = example("text-classification", "run_glue_tune")

    def prepared(name: str) -> Run:
        task = GLUE_TASKS[name]
        write_model(tmp_path / "model", num_labels=len(task.label_names) or 1, initializer_range=0.5)
        balance(task, tmp_path / "model")
        write_task(task, tmp_path / "glue" / task.folder, tmp_path / "model")
        return script

    return prepared


@pytest.mark.parametrize("name", GLUE_TASKS)
def test_a_task_is_tuned_and_benchmarked(
    run: Callable[[str], Run], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = run(name)
    found, timing = tune_and_benchmark(
        script, f"--task_name {name} --dataset_location glue --no_cuda --max_seq_length 16", ""
    )
    metric = METRICS.get(name, "accuracy")
    printed = capsys.readouterr().out
    assert metric in printed
    assert "int8 model was saved in int8" in printed
    assert {f"eval_{each}" for each in GLUE_TASKS[name].metrics} <= set(found)
    assert ("eval_accuracy_mm" in found) == (name == "mnli")
    assert found["eval_samples"] == len(TEXTS)

    assert timing["metric_name"] == metric
    assert timing["metric_value"] == found[f"eval_{metric}"]


@pytest.mark.parametrize("name", GLUE_TASKS)
def test_the_float_model_is_perfect_on_its_own_labels(run: Callable[[str], Run], name: str, tmp_path: Path) -> None:
    """So labels, columns and splits of every task arrive where they belong; the test file is predicted alike."""
    script = run(name)
    script(
        f"--model_name_or_path model --task_name {name} --dataset_location glue --do_eval --do_predict --no_cuda "
        "--max_seq_length 16 --output_dir out"
    )
    found, task = results(tmp_path / "out"), GLUE_TASKS[name]
    suffixes = ("", "_mm") if name == "mnli" else ("",)
    expected = {f"eval_{metric}{suffix}": 1.0 for metric in task.metrics for suffix in suffixes}
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    split = "test_matched" if name == "mnli" else "test"
    lines = (tmp_path / f"out/predict_results_{split}.txt").read_text().splitlines()[1:]
    answers = [line.split("\t")[1] for line in lines]
    assert len(answers) == len(TEXTS)
    if not task.is_regression:
        names = file_labels(task)
        assert [names[task.label_names.index(answer)] for answer in answers] == predicted(task, tmp_path / "model")
