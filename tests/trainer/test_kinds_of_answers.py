"""Multi-label classification and regression from the first evaluation to the page: what flips, and what is shown."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from helpers.tiny import tiny_bert, tiny_tokenizer, token_rows
from transformers import EvalPrediction

from nc_trainer import QuantizationTrainer, QuantizationTrainingArguments, TuningConfig
from nc_trainer.report.page import render_page

LOOSE = TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"absolute": 9}, "report": {"timing": 0}}})


def mean_error(prediction: EvalPrediction) -> dict[str, float]:
    return {"mae": float(np.abs(np.squeeze(prediction.predictions) - prediction.label_ids).mean())}


def trainer_of(tmp_path: Path, model: Any, rows: Dataset) -> Any:
    return QuantizationTrainer(
        model=model,
        args=QuantizationTrainingArguments(
            output_dir=str(tmp_path), use_cpu=True, report_to="none", disable_tqdm=True
        ),
        eval_dataset=rows,
        compute_metrics=mean_error,
        processing_class=tiny_tokenizer(),
    )


def with_a_logit_at_zero(model: Any, rows: Dataset) -> Any:
    """The bias of the head moved so that the first row has logits of 0, which int8 makes positive or negative."""
    with torch.no_grad():
        model.classifier.bias -= model(input_ids=torch.tensor([rows[0]["input_ids"]])).logits[0] - 1e-4
    return model


def test_a_flip_of_a_multi_label_model_is_another_set_of_labels(tmp_path: Path) -> None:
    rows = token_rows(40).add_column("labels", [[1.0, 0.0, 1.0, 0.0, 0.0]] * 40)
    model = tiny_bert(num_labels=5, problem_type="multi_label_classification")
    trainer = trainer_of(tmp_path, with_a_logit_at_zero(model, rows), rows)
    before = trainer.predict(rows).predictions > 0
    result = trainer.quantize(LOOSE)
    flipped = (before != (trainer.predict(rows).predictions > 0)).any(axis=1)
    assert flipped.any()
    assert (result.chosen.flips, result.chosen.rows) == (int(flipped.sum()), 40)
    assert result.chosen.p_value is not None
    shown = result.report.flipped.examples
    assert {example.row for example in shown} <= set(np.flatnonzero(flipped).tolist())
    assert shown[0].label == "LABEL_0, LABEL_2"
    assert shown[0].float_answer != shown[0].chosen_answer
    assert f"{result.chosen.flips} of 40 rows changed their answer: " in render_page(result.report)


def test_a_flip_of_a_regression_is_a_change_above_a_tolerance_that_is_told(tmp_path: Path) -> None:
    rows = token_rows(40).add_column("labels", [0.5] * 40)
    trainer = trainer_of(tmp_path, tiny_bert(num_labels=1), rows)
    before = trainer.predict(rows).predictions[:, 0]
    result = trainer.quantize(LOOSE)
    change = np.abs(trainer.predict(rows).predictions[:, 0] - before)
    tolerance = result.chosen.flip_tolerance
    assert tolerance == 0.1 * float(before.std(dtype=np.float64))
    flips = int((change > tolerance).sum())
    assert (result.chosen.flips, result.chosen.rows) == (flips, 40)
    assert flips > 0
    most = np.argsort(-change, kind="stable")[: min(20, flips)]
    assert [example.row for example in result.report.flipped.examples] == most.tolist()
    assert f"changed their answer by more than {tolerance:.3g}" in render_page(result.report)
    order = f"Of all pairs of rows {result.report.flipped.changed_order:.2%} stand in another order."
    assert 0 <= result.report.flipped.changed_order < 0.5
    assert order in render_page(result.report)


def test_several_numbers_for_each_row_flip_by_their_own_tolerances(tmp_path: Path) -> None:
    rows = token_rows(40).add_column("labels", [[0.5, 1.5, 2.5]] * 40)
    trainer = trainer_of(tmp_path, tiny_bert(num_labels=3, problem_type="regression"), rows)
    before = trainer.predict(rows).predictions
    result = trainer.quantize(LOOSE)
    change = np.abs(trainer.predict(rows).predictions - before)
    tolerance = result.chosen.flip_tolerance
    assert tolerance == tuple(0.1 * float(deviation) for deviation in before.std(axis=0, dtype=np.float64))
    assert result.chosen.flips == int((change > tolerance).any(axis=1).sum()) > 0
    assert result.chosen.better + result.chosen.worse == result.chosen.flips
    most = np.argsort(-(change / tolerance).max(axis=1), kind="stable")[: min(20, result.chosen.flips)]
    assert [example.row for example in result.report.flipped.examples] == most.tolist()
    assert result.report.flipped.examples[0].label == "0.5, 1.5, 2.5"
    assert f"by more than {min(tolerance):.3g} to {max(tolerance):.3g}" in render_page(result.report)


def test_a_search_of_several_numbers_is_found_again_in_its_journal(tmp_path: Path) -> None:
    rows = token_rows(40).add_column("labels", [[0.5, 1.5, 2.5]] * 40)
    model = tiny_bert(num_labels=3, problem_type="regression")
    first = trainer_of(tmp_path, model, rows).quantize(LOOSE)
    again = trainer_of(tmp_path, tiny_bert(num_labels=3, problem_type="regression"), rows).quantize(LOOSE)
    assert again.chosen == first.chosen
