"""`QuantizationTrainer.quantize()` as a user calls it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.logits import logits
from helpers.tiny import (
    accuracy,
    config,
    sensitive_bert,
    tiny_bert,
    tiny_tokenizer,
    tiny_trainer,
    token_rows,
    tuning_config,
    with_labels_of,
)
from torch import nn
from transformers import EvalPrediction, Trainer

from nc_trainer import (
    ConfigError,
    NCTrainerError,
    QuantizationError,
    QuantizationMixin,
    QuantizationTrainer,
)
from nc_trainer.int8.quantize import is_int8

ABSOLUTE = {"tuning": {"accuracy_criterion": {"absolute": 0.5}}}
STRICT = {"tuning": {"accuracy_criterion": {"absolute": 0.0}}}


def test_no_arguments_are_needed(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    result = trainer.quantize(tuning_config(**ABSOLUTE))
    assert result.outcome == "met"
    assert result.metric.name == "accuracy"
    assert result.baseline.value == 1.0
    assert result.model is trainer.model
    assert is_int8(trainer.model)
    assert len(result.trials) == 1
    assert result.trials[0].rows == 24


def test_the_model_is_changed_in_place(tmp_path: Path) -> None:
    model = tiny_bert()
    trainer = tiny_trainer(tmp_path, model)
    trainer.quantize(tuning_config(**ABSOLUTE))
    assert trainer.model is model
    assert trainer.evaluate()["eval_accuracy"] >= 0.5


def test_one_sensitive_module_falls_back(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, sensitive_bert())
    result = trainer.quantize(config(0.05, quantization={"recipes": {"float_columns": False}}))
    assert result.outcome == "met"
    assert result.trials[0].accepted is False
    assert result.recipe.fallbacks == ("bert.pooler.dense",)
    assert isinstance(trainer.model.bert.pooler.dense, nn.Linear)


def test_best_effort_keeps_an_int8_model_and_the_reason(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, sensitive_bert())
    result = trainer.quantize(tuning_config(tuning=STRICT["tuning"] | {"exit_policy": {"max_trials": 1}}))
    assert result.outcome == "best_effort"
    assert "no trial meets accuracy >= 1.0000" in result.reason
    assert is_int8(trainer.model)


def test_if_it_raises_the_float_model_is_back(tmp_path: Path) -> None:
    model = tiny_bert()
    before = logits(model)
    calls = []

    def interrupted(prediction: EvalPrediction) -> dict[str, float]:
        calls.append(is_int8(model))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return accuracy(prediction)

    trainer = tiny_trainer(tmp_path, model, compute_metrics=interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainer.quantize()
    assert calls == [False, True]
    assert not is_int8(model)
    assert torch.equal(logits(model), before)
    assert not hasattr(model.config, "quantization_config")
    assert trainer.compute_metrics is interrupted


def test_a_model_that_was_just_trained_is_left_without_dropout(tmp_path: Path) -> None:
    model = tiny_bert().train()
    tiny_trainer(tmp_path, model).quantize(tuning_config(**ABSOLUTE))
    assert not any(module.training for module in model.modules())
    assert torch.equal(logits(model), logits(model))


def test_when_no_trial_can_run_the_outcome_is_baseline(tmp_path: Path) -> None:
    model = tiny_bert()

    def fails_on_int8(prediction: EvalPrediction) -> dict[str, float]:
        if is_int8(model):
            raise RuntimeError("boom")
        return accuracy(prediction)

    result = tiny_trainer(tmp_path, model, compute_metrics=fails_on_int8).quantize()
    assert result.outcome == "baseline"
    assert "RuntimeError: boom" in result.reason
    assert not is_int8(model)


def test_without_compute_metrics_the_loss_is_judged(tmp_path: Path) -> None:
    result = tiny_trainer(tmp_path, compute_metrics=None).quantize(tuning_config(**ABSOLUTE))
    assert result.metric.name == "loss"
    assert not result.metric.higher_is_better
    assert result.trials[0].flips is None


@pytest.mark.parametrize(
    ("arguments", "quantize", "yaml", "expected"),
    [
        ({}, {}, {}, "accuracy"),
        ({"metric_for_best_model": "eval_loss"}, {}, {}, "loss"),
        ({"metric_for_best_model": "eval_loss"}, {}, {"metric": "accuracy"}, "accuracy"),
        ({}, {"metric_name": "loss"}, {"metric": "accuracy"}, "loss"),
    ],
    ids=["default", "training-arguments", "configuration", "argument"],
)
def test_who_names_the_metric(
    tmp_path: Path, arguments: dict[str, Any], quantize: dict[str, Any], yaml: dict[str, Any], expected: str
) -> None:
    trainer = tiny_trainer(tmp_path, arguments=arguments)
    result = trainer.quantize(tuning_config(tuning=yaml | {"accuracy_criterion": {"absolute": 5}}), **quantize)
    assert result.metric.name == expected


@pytest.mark.parametrize("where", ["argument", "training-arguments"])
def test_the_configuration_can_be_a_yaml_file(tmp_path: Path, where: str) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text("tuning:\n  accuracy_criterion:\n    absolute: 0.5\n  exit_policy:\n    max_trials: 3\n")
    arguments = {"tuning_config": str(file)} if where == "training-arguments" else {}
    result = tiny_trainer(tmp_path, arguments=arguments).quantize(str(file) if where == "argument" else None)
    assert "absolute 0.5 of 1.0000" in result.reason


def test_a_mistake_in_the_yaml_is_named_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text("tuning:\n  accuracy_criterion:\n    relativ: 0.01\n")
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: pytest.fail("evaluated"))
    with pytest.raises(ConfigError, match=r"tuning\.accuracy_criterion\.relativ"):
        trainer.quantize(file)


@pytest.mark.parametrize("asked", ["yaml", "argument"])
def test_embeddings_become_int8_when_asked(tmp_path: Path, asked: str) -> None:
    trainer = tiny_trainer(tmp_path, arguments={"int8_embeddings": True} if asked == "argument" else {})
    changes = {"quantization": {"embeddings": True}} if asked == "yaml" else {}
    result = trainer.quantize(tuning_config(**ABSOLUTE, **changes))
    assert "bert.embeddings.word_embeddings" in result.recipe.quantized


def test_progress_bars_come_back(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    before = [type(callback) for callback in trainer.callback_handler.callbacks]
    trainer.quantize(tuning_config(**ABSOLUTE))
    assert sorted(map(str, before)) == sorted(str(type(callback)) for callback in trainer.callback_handler.callbacks)


def test_an_overridden_evaluate_is_the_objective(tmp_path: Path) -> None:
    class Custom(QuantizationMixin, Trainer):
        def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> dict[str, float]:
            return {f"{metric_key_prefix}_score": 7.0, f"{metric_key_prefix}_runtime": 1.0}

    ours = tiny_trainer(tmp_path)
    trainer = Custom(model=ours.model, args=ours.args, eval_dataset=ours.eval_dataset)
    result = trainer.quantize()
    assert result.metric.name == "score"
    assert result.outcome == "met"


def test_the_result_shows_itself(tmp_path: Path) -> None:
    table = tiny_trainer(tmp_path).quantize(tuning_config(**ABSOLUTE)).table()
    lines = table.splitlines()
    assert lines[0].split()[:3] == ["trial", "accuracy", "change"]
    assert lines[1].startswith("float    1.0000")
    assert "14/14" in lines[2]
    assert "<- chosen" in lines[2]
    assert any(line.startswith("Outcome: met (trial 1 meets accuracy >= 0.5000") for line in lines)


def test_flips_are_split_into_better_and_worse(tmp_path: Path) -> None:
    trial = tiny_trainer(tmp_path, sensitive_bert()).quantize(tuning_config(**ABSOLUTE)).trials[0]
    assert trial.flips is not None
    assert trial.flips > 0
    assert (trial.better, trial.worse) == (0, trial.flips)  # the float model is right everywhere
    assert trial.p_value == pytest.approx(min(1.0, 2.0 ** (1 - trial.flips)))
    assert trial.logits_error is not None
    assert trial.logits_error > 0


def test_a_criterion_below_one_row_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    result = tiny_trainer(tmp_path).quantize(tuning_config(tuning={"accuracy_criterion": {"absolute": 0.01}}))
    assert any("less than one row" in warning for warning in result.study.warnings)
    assert "Note: The criterion tolerates a loss of 0.0100" in result.table()
    assert "less than one row" in caplog.text


def test_another_evaluation_set_can_be_given(tmp_path: Path) -> None:
    model = tiny_bert()
    trainer = tiny_trainer(tmp_path, model)
    result = trainer.quantize(
        tuning_config(**ABSOLUTE), eval_dataset=with_labels_of(model, token_rows(rows=5, seed=3))
    )
    assert result.trials[0].rows == 5


def test_saving_writes_the_int8_directory_and_tokenizer(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    trainer.quantize(tuning_config(**ABSOLUTE))
    trainer.save_model()
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "training_args.bin"} <= written


@pytest.mark.parametrize("name", ["bf16", "fp16_full_eval", "bf16_full_eval"])
def test_casting_arguments_are_refused_by_name(tmp_path: Path, name: str) -> None:
    trainer = tiny_trainer(tmp_path)
    setattr(trainer.args, name, True)
    with pytest.raises(QuantizationError, match=f"`{name}` would cast"):
        trainer.quantize()


def test_an_int8_model_is_not_quantized_again(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    trainer.quantize(tuning_config(**ABSOLUTE))
    with pytest.raises(QuantizationError, match="int8 already"):
        trainer.quantize()


def test_an_evaluation_set_is_needed(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    trainer.eval_dataset = None
    with pytest.raises(QuantizationError, match="give the trainer `eval_dataset`"):
        trainer.quantize()


def test_a_baseline_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: {"accuracy": float("nan")})
    with pytest.raises(QuantizationError, match="accuracy is nan: there is nothing to compare with"):
        trainer.quantize()


def test_the_old_name_of_the_tokenizer_is_accepted(tmp_path: Path) -> None:
    ours = tiny_trainer(tmp_path)
    tokenizer = tiny_tokenizer()
    trainer = QuantizationTrainer(model=ours.model, args=ours.args, tokenizer=tokenizer)
    assert trainer.processing_class is tokenizer
    with pytest.raises(NCTrainerError, match="`processing_class` or its old name"):
        QuantizationTrainer(model=ours.model, args=ours.args, tokenizer=tokenizer, processing_class=tokenizer)


def test_calibration_rows_do_not_depend_on_global_random_state(tmp_path: Path) -> None:
    from nc_trainer.trainer.batches import calibration_batches

    trainer = tiny_trainer(tmp_path)
    torch.manual_seed(1)
    first = calibration_batches(trainer, trainer.train_dataset, rows=7, seed=5)
    torch.manual_seed(2)
    second = calibration_batches(trainer, trainer.train_dataset, rows=7, seed=5)
    assert torch.equal(first[0]["input_ids"], second[0]["input_ids"])
    assert sum(len(batch["input_ids"]) for batch in first) == 7
    assert all("labels" not in batch for batch in calibration_batches(trainer, trainer.eval_dataset, 3, 0))


def test_training_is_trainers_own(tmp_path: Path) -> None:
    model = tiny_bert()
    labelled = with_labels_of(model, token_rows(seed=2))
    trained = []
    for kind in (Trainer, QuantizationTrainer):
        ours = tiny_trainer(tmp_path, tiny_bert(), arguments={"max_steps": 3, "seed": 7})
        trainer = kind(model=ours.model, args=ours.args, train_dataset=labelled, processing_class=tiny_tokenizer())
        trainer.train()
        trained.append(ours.model.state_dict())
    assert all(torch.equal(trained[0][key], trained[1][key]) for key in trained[0])


def test_benchmark_reports_the_metric_and_the_model_it_has(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, arguments={"benchmark_iters": 4, "benchmark_warmup": 1})
    assert trainer.benchmark().models[0].name == "float"
    trainer.quantize(tuning_config(**ABSOLUTE))
    report = trainer.benchmark()
    timing = report.models[-1]
    assert (timing.name, timing.metric_name) == ("int8", "accuracy")
    assert timing.metric_value == trainer.evaluate()["eval_accuracy"]
    assert len(timing.latencies_s) == 4
    assert report.machine.engine is not None
