"""Trials that a Trainer evaluates stop early where that is safe, and nowhere else."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny import accuracy, sensitive_bert, tiny_trainer, token_rows, with_labels_of
from transformers import EvalPrediction, TrainerCallback

from nc_trainer import QuantizationError, QuantizationMixin, QuantizationTrainer, TuningConfig
from nc_trainer.report.result import QuantizationResult

pytestmark = pytest.mark.slow

ROWS = 64


def config(**changes: Any) -> TuningConfig:
    """`exhaustive` tries each module alone in float, until it comes to the one that matters, the 13th."""
    return TuningConfig.from_dict(
        {"tuning": {"accuracy_criterion": {"absolute": 0.05}, "strategy": {"name": "exhaustive"}} | changes}
    )


def trainer_of(tmp_path: Path, **changes: Any) -> QuantizationTrainer:
    """64 rows in 16 batches, all of which the float model gets right; three may go wrong."""
    model = sensitive_bert()
    arguments = {"per_device_eval_batch_size": 4} | changes.pop("arguments", {})
    rows = changes.pop("eval_dataset", None) or with_labels_of(model, token_rows(ROWS))
    return tiny_trainer(tmp_path, model, eval_dataset=rows, arguments=arguments, **changes)


def states(result: QuantizationResult) -> set[str]:
    return {trial.state for trial in result.trials[1:] if not trial.accepted}


def test_refused_trials_stop_and_the_search_ends_as_it_would_have(tmp_path: Path) -> None:
    whole = trainer_of(tmp_path).quantize(config(early_stopping={"enabled": False}))
    early = trainer_of(tmp_path).quantize(config())
    assert states(whole) == {"complete"}
    assert states(early) == {"pruned"}
    assert [trial.recipe for trial in early.trials] == [trial.recipe for trial in whole.trials]
    assert [trial.accepted for trial in early.trials] == [trial.accepted for trial in whole.trials]
    assert early.recipe == whole.recipe
    for stopped, full in zip(early.trials, whole.trials, strict=True):
        if stopped.state == "pruned":
            assert stopped.low <= full.value <= stopped.high  # type: ignore[operator]
            assert 0 < stopped.share < 1
            assert (stopped.rows, stopped.worse) == (stopped.share * ROWS, stopped.flips)
    assert sum(trial.share for trial in early.trials) < 0.6 * len(whole.trials)


def test_the_table_says_what_a_stopped_trial_could_have_become(tmp_path: Path) -> None:
    result = trainer_of(tmp_path).quantize(config())
    stopped = next(trial for trial in result.trials if trial.state == "pruned")
    line = result.table().splitlines()[1 + stopped.number]
    assert f"{stopped.low:.4f}..{stopped.high:.4f}" in line
    assert f"not met, after {stopped.share:.0%}" in line


def in_two_sets(tmp_path: Path) -> dict[str, Any]:
    return {"eval_dataset": {"a": with_labels_of(sensitive_bert(), token_rows(ROWS))}}


def rounded(prediction: EvalPrediction) -> dict[str, float]:
    return {"accuracy": round(accuracy(prediction)["accuracy"], 1)}


def of_the_second_half(prediction: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids)[ROWS // 2 :].mean())}


class InBatches:
    """A `compute_metrics` that is told of one batch at a time."""

    def __init__(self) -> None:
        self.right: list[bool] = []

    def __call__(self, prediction: EvalPrediction, compute_result: bool) -> dict[str, float]:
        self.right += (prediction.predictions.argmax(-1) == prediction.label_ids).tolist()
        found = {"accuracy": float(np.mean(self.right))}
        if compute_result:
            self.right = []
        return found


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({"compute_metrics": rounded}, None),
        ({"compute_metrics": of_the_second_half}, None),
        ({"compute_metrics": lambda prediction: {"mine": accuracy(prediction)["accuracy"]}}, None),
        ({"compute_metrics": InBatches(), "arguments": {"batch_eval_metrics": True}}, None),
        ({"preprocess_logits_for_metrics": lambda logits, labels: logits[:, None, :]}, None),
        ({"arguments": {"skip_memory_metrics": False}}, None),
        ({}, "loss"),
    ],
    ids=["rounded", "other-rows", "unknown-name", "batch-metrics", "no-class-per-row", "memory-tracked", "loss"],
)
def test_where_rows_or_formula_are_not_certain_every_row_is_evaluated(
    tmp_path: Path, changes: dict[str, Any], metric: str | None
) -> None:
    if "preprocess_logits_for_metrics" in changes:
        changes["compute_metrics"] = lambda prediction: {
            "accuracy": float((prediction.predictions.argmax(-1)[:, 0] == prediction.label_ids).mean())
        }
    result = trainer_of(tmp_path, **changes).quantize(config(exit_policy={"max_trials": 2}), metric_name=metric)
    assert len(result.trials) == 2
    assert "pruned" not in {trial.state for trial in result.trials}


def test_several_evaluation_sets_are_evaluated_in_full(tmp_path: Path) -> None:
    rows = with_labels_of(sensitive_bert(), token_rows(ROWS))
    trainer = trainer_of(tmp_path, eval_dataset={"a": rows, "b": rows.select(range(8))})
    result = trainer.quantize(config(exit_policy={"max_trials": 3}), metric_name="a_accuracy")
    assert len(result.trials) == 3
    assert "pruned" not in {trial.state for trial in result.trials}


def test_classes_instead_of_logits_will_do(tmp_path: Path) -> None:
    result = trainer_of(
        tmp_path,
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
        compute_metrics=lambda prediction: {
            "accuracy": float((prediction.predictions == prediction.label_ids).mean())
        },
    ).quantize(config())
    assert states(result) == {"pruned"}


def test_f1_and_matthews_stop_too(tmp_path: Path) -> None:
    def both(prediction: EvalPrediction) -> dict[str, float]:
        from sklearn.metrics import f1_score, matthews_corrcoef

        classes, labels = prediction.predictions.argmax(-1) == 0, prediction.label_ids == 0
        return {
            "f1": float(f1_score(labels, classes)),
            "matthews_correlation": float(matthews_corrcoef(labels, classes)),
        }

    model = sensitive_bert()
    rows = with_labels_of(model, token_rows(ROWS))
    binary = rows.map(lambda row: {"labels": int(row["labels"] == 0)})

    def two_classes(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (logits.argmax(-1) == 0).long()

    for name in ("f1", "matthews_correlation"):
        trainer = tiny_trainer(
            tmp_path,
            sensitive_bert(),
            eval_dataset=binary,
            arguments={"per_device_eval_batch_size": 4},
            preprocess_logits_for_metrics=two_classes,
            compute_metrics=lambda prediction: both(
                EvalPrediction(
                    np.stack([prediction.predictions, 1 - prediction.predictions], -1), 1 - prediction.label_ids
                )
            ),
        )
        flipped = binary.map(lambda row, number: {"labels": row["labels"] ^ int(number == 0)}, with_indices=True)
        trainer.eval_dataset = flipped  # one row wrong, so that no other average gives the same F1
        result = trainer.quantize(config(accuracy_criterion={"absolute": 0.08}), metric_name=name)
        assert states(result) <= {"pruned", "complete"}
        assert "pruned" in states(result), name


def test_an_overridden_prediction_step_is_seen_as_it_is_judged(tmp_path: Path) -> None:
    class Constant(QuantizationTrainer):
        def prediction_step(self, *args: Any, **kwargs: Any) -> Any:
            loss, _, labels = super().prediction_step(*args, **kwargs)
            return loss, torch.nn.functional.one_hot(labels, 3).float(), labels

    ours = trainer_of(tmp_path)
    trainer = Constant(
        model=ours.model,
        args=ours.args,
        eval_dataset=ours.eval_dataset,
        train_dataset=ours.train_dataset,
        compute_metrics=accuracy,
        processing_class=ours.processing_class,
    )
    result = trainer.quantize(config())
    assert result.chosen.value == 1.0
    assert len(result.trials) == 1


def test_an_evaluate_that_catches_exceptions_does_not_keep_a_trial_running(tmp_path: Path) -> None:
    class Careful(QuantizationMixin, type(trainer_of(tmp_path)).__mro__[2]):  # type: ignore[misc]
        def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
            try:
                return super().evaluate(*args, **kwargs)
            except Exception:
                pytest.fail("an evaluation that is stopped is no error")

    ours = trainer_of(tmp_path)
    trainer = Careful(
        model=ours.model,
        args=ours.args,
        eval_dataset=ours.eval_dataset,
        train_dataset=ours.train_dataset,
        compute_metrics=accuracy,
        processing_class=ours.processing_class,
    )
    assert states(trainer.quantize(config())) == {"pruned"}


def test_the_trainer_is_left_as_it_was(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path)
    callbacks = {type(callback) for callback in trainer.callback_handler.callbacks}
    assert "pruned" in states(trainer.quantize(config()))
    assert trainer.preprocess_logits_for_metrics is None
    assert trainer.compute_metrics is accuracy
    assert {type(callback) for callback in trainer.callback_handler.callbacks} == callbacks
    assert not trainer.accelerator.gradient_state.in_dataloader


def test_the_sequential_test_judges_shuffled_rows_and_stops_sooner(tmp_path: Path) -> None:
    """A quarter of the rows is wrong anyway: exact bounds wait until these may not make up for the others any more."""
    model = sensitive_bert()
    right = with_labels_of(model, token_rows(256))
    rows = right.map(lambda row, number: {"labels": (row["labels"] + (number < 64)) % 3}, with_indices=True)
    tuning: dict[str, Any] = {"accuracy_criterion": {"absolute": 0.0}, "exit_policy": {"max_trials": 3}}
    seen = {}
    for rate in (0.0, 0.2):
        trainer = trainer_of(tmp_path / str(rate), eval_dataset=rows)
        result = trainer.quantize(config(**tuning, early_stopping={"error_rate": rate}))
        assert result.baseline.value == 0.75
        assert [trial.state for trial in result.trials[:3]] == ["complete", "pruned", "pruned"]
        seen[rate] = result.trials[1].share
    assert seen[0.2] < 0.8 * seen[0.0]


@pytest.mark.parametrize("where", ["sets", "stream"])
def test_rows_that_cannot_be_shuffled_are_refused(tmp_path: Path, where: str) -> None:
    trainer = trainer_of(tmp_path)
    rows = trainer.eval_dataset
    trainer.eval_dataset = {"a": rows} if where == "sets" else rows.to_iterable_dataset()
    with pytest.raises(QuantizationError, match=r"rows in random order.*error_rate: 0"):
        trainer.quantize(config(early_stopping={"error_rate": 0.01}))


class Slow(TrainerCallback):
    """A tenth of a second for every batch, from the `after`th on."""

    def __init__(self, after: int) -> None:
        self.left = after

    def on_prediction_step(self, *args: Any, **kwargs: Any) -> None:
        self.left -= 1
        if self.left < 0:
            time.sleep(0.1)


def test_the_time_is_up_inside_an_evaluation_and_in_any_thread(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, callbacks=[Slow(after=32)])  # the float model and the first trial are fast
    found: list[QuantizationResult] = []
    half_a_second = config(exit_policy={"timeout": 0.5}, early_stopping={"enabled": False})
    thread = threading.Thread(target=lambda: found.append(trainer.quantize(half_a_second)))
    thread.start()
    thread.join()
    assert found[0].outcome == "best_effort"
    assert len(found[0].trials) == 1  # the second would have taken 1.6 seconds
    assert "the timeout of 0.5 s was reached" in found[0].reason
