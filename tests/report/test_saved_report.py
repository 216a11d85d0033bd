"""What `save_model()` writes beside an int8 model, and when it does not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from helpers.architectures import CONFIGS, small
from helpers.report_data import benchmark_report
from helpers.tiny import sensitive_bert, tiny_bert, tiny_trainer, token_rows
from transformers import TrainingArguments, default_data_collator

from nc_trainer import QuantizationTrainer, TuningConfig
from nc_trainer.cli.main import main
from nc_trainer.hub import OptimizedModel
from nc_trainer.report.page import render_page
from nc_trainer.report.report_data import FILE_NAME, ReportData

pytestmark = pytest.mark.slow

REPORT_FILES = {"report.html", FILE_NAME, "README.md"}


def config(**report: Any) -> TuningConfig:
    return TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"absolute": 0.5}, "report": report}})


def saved(trainer: QuantizationTrainer, tuning: TuningConfig) -> Path:
    trainer.quantize(tuning)
    trainer.save_model()
    return Path(str(trainer.args.output_dir))


def flipping_trainer(tmp_path: Path, **arguments: Any) -> QuantizationTrainer:
    """Int8 in one module changes some answers, and that is accepted."""
    return tiny_trainer(tmp_path, sensitive_bert(), arguments=arguments)


def ended_rows() -> Dataset:
    """Of one length, each with one `</s>`, where BART and mBART read the sentence."""
    rows = [[max(token, 3) for token in ids[:4]] + [2] for ids in token_rows()["input_ids"]]
    masks = [[1] * len(row) for row in rows]
    return Dataset.from_dict({"input_ids": rows, "attention_mask": masks, "labels": [n % 3 for n in range(len(rows))]})


def test_page_data_and_card_stand_beside_the_model(tmp_path: Path) -> None:
    directory = saved(tiny_trainer(tmp_path), config())
    names = {path.name for path in directory.iterdir()}
    assert names >= REPORT_FILES | {"config.json", "model.safetensors"}
    assert (directory / "report.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_has_its_page(name: str, tmp_path: Path) -> None:
    """Whatever kinds of modules it has, bare parameters and shared layers among them."""
    rows = ended_rows()
    data = {"train_dataset": rows, "eval_dataset": rows, "data_collator": default_data_collator}
    trainer = tiny_trainer(tmp_path, small(name), **data)
    report = trainer.quantize(config(ranking=True, timing=0)).report
    assert report is not None
    assert set(report.sensitivity.damage or ()) == set(report.modules) == set(report.recipe.modules)
    assert "Where int8 hurts" in render_page(report)


def test_the_data_are_those_of_the_result(tmp_path: Path) -> None:
    trainer = flipping_trainer(tmp_path)
    result = trainer.quantize(config())
    trainer.save_model()
    found = ReportData.load(str(trainer.args.output_dir))
    assert found == result.report
    assert found.chosen_trial.metrics == result.chosen.metrics
    assert found.trials[1:] == result.trials


def test_trials_are_timed_against_float_in_the_same_rounds(tmp_path: Path) -> None:
    report = tiny_trainer(tmp_path).quantize(config()).report
    assert report is not None
    assert set(report.speed.comparisons) == {1}
    assert report.speed.comparisons[1].baseline == "float"
    assert report.speed.batch_size == 8


def test_timing_can_be_switched_off(tmp_path: Path) -> None:
    report = tiny_trainer(tmp_path).quantize(config(timing=0)).report
    assert report is not None
    assert report.speed.comparisons == {}
    assert report.speed.note == "Speed was not measured."


def test_without_a_budget_that_suffices_nothing_is_timed(tmp_path: Path) -> None:
    report = tiny_trainer(tmp_path).quantize(config(timing=1e-6)).report
    assert report is not None
    assert "too long for 1e-06 s" in report.speed.note


def test_modules_are_ranked_only_when_asked(tmp_path: Path) -> None:
    without = tiny_trainer(tmp_path / "a").quantize(config()).report
    ranked = tiny_trainer(tmp_path / "b").quantize(config(ranking=True)).report
    assert without is not None
    assert ranked is not None
    assert without.sensitivity.damage is None
    assert ranked.sensitivity.damage is not None
    assert list(ranked.sensitivity.damage) == list(ranked.recipe.modules)


def test_flipped_rows_have_their_text_label_and_both_probabilities(tmp_path: Path) -> None:
    trainer = flipping_trainer(tmp_path)
    report = trainer.quantize(config()).report
    assert report is not None
    assert report.chosen_trial.flips == len(report.flipped.examples) > 0
    for example in report.flipped.examples:
        ids = trainer.eval_dataset[example.row]["input_ids"]
        assert example.texts == (" ".join(f"w{token - 1}" for token in ids),)
        assert example.label == f"LABEL_{trainer.eval_dataset[example.row]['labels']}" == example.float_answer
        assert example.chosen_answer != example.float_answer
        assert example.float_probability is not None
        assert example.chosen_probability is not None
        assert 1 / 3 < example.float_probability <= 1


def test_the_model_is_the_same_with_and_without_a_report(tmp_path: Path) -> None:
    ids = torch.tensor([[1, 2, 3, 4]])
    logits = []
    for name, enabled in (("with", True), ("without", False)):
        trainer = flipping_trainer(tmp_path / name)
        model = trainer.quantize(config(enabled=enabled, ranking=True)).model
        with torch.no_grad():
            logits.append(model(input_ids=ids).logits)
    assert torch.equal(*logits)


@pytest.mark.parametrize("switch", ["configuration", "argument"])
def test_it_can_be_switched_off(tmp_path: Path, switch: str) -> None:
    by_configuration = switch == "configuration"
    arguments = {} if by_configuration else {"report": False}
    trainer = tiny_trainer(tmp_path, arguments=arguments)
    directory = saved(trainer, config(enabled=not by_configuration))
    assert not REPORT_FILES & {path.name for path in directory.iterdir()}


def test_other_training_arguments_do_not_matter(tmp_path: Path) -> None:
    arguments = TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none", disable_tqdm=True)
    assert (saved(tiny_trainer(tmp_path, args=arguments), config()) / "report.html").is_file()


def test_texts_do_not_go_to_the_hub(tmp_path: Path) -> None:
    trainer = flipping_trainer(tmp_path)
    directory = saved(trainer, config())
    assert ReportData.load(directory).flipped.examples
    trainer.save_model(_internal_call=True)  # as `push_to_hub` does before it uploads the directory
    assert not ReportData.load(directory).flipped.examples
    assert "left out" in (directory / "report.html").read_text()


def test_texts_go_to_the_hub_if_told_so(tmp_path: Path) -> None:
    trainer = flipping_trainer(tmp_path)
    directory = saved(trainer, config(examples="always"))
    trainer.save_model(_internal_call=True)
    assert ReportData.load(directory).flipped.examples


def test_texts_can_be_left_out_altogether(tmp_path: Path) -> None:
    report = flipping_trainer(tmp_path).quantize(config(examples="never")).report
    assert report is not None
    assert report.flipped.examples == ()


@pytest.mark.parametrize(
    "broken", ["nc_trainer.report.report_files.render_page", "nc_trainer.report.report_files.model_card"]
)
def test_a_page_that_cannot_be_made_costs_a_warning_and_not_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    monkeypatch.setattr(broken, lambda *args: 1 / 0)
    directory = saved(tiny_trainer(tmp_path), config())
    OptimizedModel.from_pretrained(directory)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text for text in warned if "division by zero" in text] == [
        "The model is saved, its report is not: ZeroDivisionError: division by zero"
    ]


@pytest.mark.parametrize("part", ["measure_speed", "flipped_rows"])
def test_a_part_that_fails_costs_that_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    monkeypatch.setattr(f"nc_trainer.report.collect.{part}", lambda *args: 1 / 0)
    report = flipping_trainer(tmp_path).quantize(config()).report
    assert report is not None
    notes = {"measure_speed": report.speed.note, "flipped_rows": report.flipped.note}
    assert notes[part] == "Left out: ZeroDivisionError: division by zero"


def test_a_report_that_fails_leaves_the_search_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nc_trainer.report.collect.describe_machine", lambda *args: 1 / 0)
    result = tiny_trainer(tmp_path).quantize(config())
    assert result.outcome == "met"
    assert result.report is None


def test_a_benchmark_after_the_search_is_on_the_page(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, arguments={"benchmark_iters": 3, "benchmark_warmup": 0})
    trainer.quantize(config())
    report = trainer.benchmark()
    trainer.save_model()
    found = ReportData.load(str(trainer.args.output_dir)).benchmark
    assert found is not None
    assert [model.latencies_s for model in found.models] == [model.latencies_s for model in report.models]


def test_the_command_makes_the_page_again_with_latencies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = saved(flipping_trainer(tmp_path), config())
    (directory / "report.html").unlink()
    benchmark_report().save(tmp_path / "benchmark.json")
    assert main(["report", str(directory), "--benchmark", str(tmp_path / "benchmark.json")]) == 0
    assert capsys.readouterr().out == f"Written: {directory / 'report.html'}\n"
    assert "Latency of float" in (directory / "report.html").read_text()
    assert ReportData.load(directory).flipped.examples


def test_the_command_leaves_texts_out(tmp_path: Path) -> None:
    directory = saved(flipping_trainer(tmp_path), config(examples="always"))
    assert main(["report", str(directory), "--no_texts"]) == 0
    assert not ReportData.load(directory).flipped.examples


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_bert().save_pretrained(tmp_path)
    assert main(["report", str(tmp_path)]) == 2
    assert "what `trainer.save_model()` writes after `quantize()`" in capsys.readouterr().err


@pytest.mark.parametrize("labels", [1, 3], ids=["regression", "classes"])
def test_classes_and_numbers_can_flip(tmp_path: Path, labels: int) -> None:
    model = tiny_bert(num_labels=labels)
    rows = tiny_trainer(tmp_path).eval_dataset
    if labels == 1:
        rows = (
            rows.map(lambda row: {"score": float(row["labels"])})
            .remove_columns("labels")
            .rename_column("score", "labels")
        )
    trainer = tiny_trainer(tmp_path, model, eval_dataset=rows, compute_metrics=lambda prediction: {"mse": 0.25})
    report = trainer.quantize(TuningConfig.from_dict({"tuning": {"metric": "mse"}})).report
    assert report is not None
    assert report.flipped.note == ""


def test_timing_is_given_up_when_it_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nc_trainer.report.speed._seconds_of_a_pass", lambda *args: 1e-9)
    report = tiny_trainer(tmp_path).quantize(config(timing=1e-6)).report
    assert report is not None
    assert "too busy to do so within 1e-06 s" in report.speed.note
