"""What a trainer's evaluation returns is what is judged, or one line says why it cannot be."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny import accuracy, tiny_bert, tiny_trainer, token_rows, with_labels_of
from torch import nn
from transformers import EarlyStoppingCallback, EvalPrediction, TrainerCallback

from nc_trainer import NCTrainerError, QuantizationError, QuantizationMixin, QuantizationTrainer, TuningConfig
from nc_trainer.int8.quantize import is_int8
from nc_trainer.trainer.trial_evaluation import TrainerEvaluator

LOOSE = TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"absolute": 0.9}}})


def returning(value: Any) -> Callable[[EvalPrediction], Any]:
    return lambda prediction: {"accuracy": value}


@pytest.mark.parametrize(
    "value", [np.float32(0.5), np.array(0.5), np.array([0.5]), torch.tensor(0.5), torch.tensor([[0.5]])]
)
def test_a_metric_may_be_a_number_of_any_kind(tmp_path: Path, value: Any) -> None:
    result = tiny_trainer(tmp_path, compute_metrics=returning(value)).quantize(LOOSE)
    assert (result.metric.name, result.baseline.value) == ("accuracy", 0.5)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0.9", "the text '0.9'"),
        (None, "None"),
        ({"macro": 0.9}, "the dict"),
        (np.zeros(3), r"an array of shape \(3,\)"),
    ],
)
def test_a_metric_that_is_no_number_is_named(tmp_path: Path, value: Any, said: str) -> None:
    trainer = tiny_trainer(tmp_path, compute_metrics=returning(value))
    with pytest.raises(QuantizationError, match=f"`accuracy` is {said}.*expected a number"):
        trainer.quantize(LOOSE)
    assert not is_int8(trainer.model)


@pytest.mark.parametrize(
    ("returned", "said"),
    [(None, "returned None"), (0.9, "returned the float 0.9"), ([0.9], r"returned the list \[0.9")],
)
def test_compute_metrics_returns_numbers_by_name(tmp_path: Path, returned: Any, said: str) -> None:
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: returned)
    with pytest.raises(QuantizationError, match=f"`compute_metrics` {said}.*expected a dictionary"):
        trainer.quantize(LOOSE)


def test_the_loss_does_not_stand_in_for_no_metric(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, compute_metrics=lambda prediction: {})
    with pytest.raises(QuantizationError, match="`compute_metrics` returned no number"):
        trainer.quantize(LOOSE)
    result = trainer.quantize(LOOSE, metric_name="loss")
    assert result.metric.name == "loss"


def test_prediction_loss_only_with_compute_metrics_has_to_be_meant(tmp_path: Path) -> None:
    arguments = {"prediction_loss_only": True}
    with pytest.raises(QuantizationError, match="`compute_metrics` is not called, because `prediction_loss_only`"):
        tiny_trainer(tmp_path, arguments=arguments).quantize(LOOSE)
    result = tiny_trainer(tmp_path, arguments=arguments).quantize(LOOSE, metric_name="eval_loss")
    assert result.metric.name == "loss"


def test_a_metric_that_is_asked_for_and_missing_is_an_error_with_those_that_are_there(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, arguments={"metric_for_best_model": "f1"})
    with pytest.raises(QuantizationError, match=r"`f1` was not computed.*\['accuracy', 'loss'\]"):
        trainer.quantize(LOOSE)


def test_a_trial_without_the_metric_has_failed(tmp_path: Path) -> None:
    model = tiny_bert()
    trainer = tiny_trainer(tmp_path, model, compute_metrics=lambda p: {"accuracy": None if is_int8(model) else 0.5})
    result = trainer.quantize(LOOSE)
    assert result.outcome == "baseline"
    assert "no number `accuracy`: it is None" in result.reason


@pytest.mark.parametrize("place", ["classifier.bias", "bert.encoder.layer.0.output.LayerNorm.weight"])
@pytest.mark.parametrize("metric", [accuracy, None], ids=["accuracy", "loss"])
def test_a_float_model_whose_logits_are_nan_is_refused(tmp_path: Path, place: str, metric: Any) -> None:
    model = tiny_bert()
    rows = with_labels_of(model, token_rows())
    model.get_parameter(place).data[0] = float("nan")
    with pytest.raises(QuantizationError, match="not a number"):
        tiny_trainer(tmp_path, model, eval_dataset=rows, compute_metrics=metric).quantize(LOOSE)


def test_a_trial_whose_logits_are_nan_has_failed(tmp_path: Path) -> None:
    model = tiny_bert()

    def spoiled(module: nn.Module, inputs: Any, output: Any) -> None:
        if is_int8(model):
            output.logits[0] = float("nan")

    model.register_forward_hook(spoiled)
    result = tiny_trainer(tmp_path, model).quantize(LOOSE)
    assert result.outcome == "baseline"
    assert "not a number" in result.reason


class Best(TrainerCallback):
    """Reads what it knows from training."""

    best = -1.0
    calls = 0

    def on_evaluate(self, *args: Any, metrics: Any = None, **kwargs: Any) -> None:
        self.best = max(self.best, metrics["eval_accuracy"])
        self.calls += 1


def test_callbacks_are_told_of_no_trial_and_of_every_other_evaluation(tmp_path: Path) -> None:
    best = Best()
    trainer = tiny_trainer(tmp_path, callbacks=[best])
    trainer.evaluate()
    assert trainer.quantize(LOOSE).outcome == "met"
    assert best.calls == 1
    trainer.evaluate()
    assert best.calls == 2
    assert vars(best).keys() == {"best", "calls"}


def test_early_stopping_does_not_count_trials(tmp_path: Path) -> None:
    stopping = EarlyStoppingCallback(early_stopping_patience=1)
    arguments: dict[str, Any] = {
        "metric_for_best_model": "accuracy",
        "eval_strategy": "steps",
        "save_strategy": "steps",
    }
    arguments |= {"load_best_model_at_end": True, "save_steps": 500, "eval_steps": 500}
    trainer = tiny_trainer(tmp_path, callbacks=[stopping], arguments=arguments)
    trainer.quantize(LOOSE)
    assert stopping.early_stopping_patience_counter == 0
    assert not trainer.control.should_training_stop


class WithoutPrefix(QuantizationTrainer):
    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None) -> dict[str, float]:
        return super().evaluate(eval_dataset, ignore_keys)


class WithItsOwnPrefix(QuantizationTrainer):
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        return super().evaluate(eval_dataset, ignore_keys, "eval")


class WithAnotherPrefix(QuantizationTrainer):
    def evaluate(self, eval_dataset: Any = None, **kwargs: Any) -> dict[str, float]:
        return super().evaluate(eval_dataset, metric_key_prefix="test")


class WithoutArguments(QuantizationTrainer):
    def evaluate(self) -> dict[str, float]:
        return super().evaluate()


class WithoutAnyPrefix(QuantizationMixin):
    def evaluate(self, *args: Any) -> dict[str, Any]:
        return {"accuracy": 0.5, "comment": "mine"}


def of_class(kind: type, tmp_path: Path, **changes: Any) -> Any:
    ours = tiny_trainer(tmp_path, **changes)
    kind = kind if issubclass(kind, QuantizationTrainer) else type(kind.__name__, (kind, QuantizationTrainer), {})
    return kind(
        model=ours.model,
        args=ours.args,
        eval_dataset=ours.eval_dataset,
        compute_metrics=accuracy,
        processing_class=ours.processing_class,
    )


@pytest.mark.parametrize("wanted", [None, "accuracy", "eval_accuracy"])
@pytest.mark.parametrize("kind", [WithoutPrefix, WithItsOwnPrefix, WithoutArguments, WithoutAnyPrefix])
def test_an_overridden_evaluate_is_called_as_it_can_be(tmp_path: Path, kind: type, wanted: str | None) -> None:
    result = of_class(kind, tmp_path).quantize(LOOSE, metric_name=wanted)
    assert (result.metric.name, result.outcome) == ("accuracy", "met")


def test_an_evaluate_with_another_prefix_is_judged_by_the_name_that_it_gives(tmp_path: Path) -> None:
    assert of_class(WithAnotherPrefix, tmp_path).quantize(LOOSE).metric.name == "test_accuracy"


def test_an_evaluate_that_takes_no_data_says_so(tmp_path: Path) -> None:
    trainer = of_class(WithoutArguments, tmp_path)
    with pytest.raises(NCTrainerError, match=r"WithoutArguments\.evaluate\(\) takes no data set"):
        trainer.quantize(LOOSE, eval_dataset=trainer.eval_dataset)


def test_an_evaluate_that_returns_nothing_says_so(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    trainer.evaluate = lambda *args: None
    with pytest.raises(QuantizationError, match="The evaluation returned None"):
        trainer.quantize(LOOSE)


def test_compute_metrics_keeps_its_attributes(tmp_path: Path) -> None:
    class Metric:
        name = "mine"

        def __call__(self, prediction: EvalPrediction) -> dict[str, float]:
            return accuracy(prediction)

    seen = []

    class Reads(QuantizationTrainer):
        def evaluate(self, *args: Any) -> dict[str, float]:
            seen.append(self.compute_metrics.name)
            return super().evaluate(*args)

    ours, metric = tiny_trainer(tmp_path), Metric()
    trainer = Reads(
        model=ours.model,
        args=ours.args,
        eval_dataset=ours.eval_dataset,
        compute_metrics=metric,
        processing_class=ours.processing_class,
    )
    trainer.quantize(LOOSE)
    assert set(seen) == {"mine"}
    assert trainer.compute_metrics is metric


def random_states() -> tuple[Any, ...]:
    numpy_state = np.random.get_state(legacy=False)["state"]
    return random.getstate(), numpy_state["key"].tolist(), torch.get_rng_state().tolist()


def test_every_evaluation_begins_in_the_same_random_state(tmp_path: Path) -> None:
    drawn = []

    def draws(prediction: EvalPrediction) -> dict[str, float]:
        drawn.append((random.random(), float(np.random.rand()), float(torch.rand(()))))
        return accuracy(prediction)

    evaluate = TrainerEvaluator(tiny_trainer(tmp_path, compute_metrics=draws))
    before = random_states()
    evaluate()
    assert random_states() == before
    torch.manual_seed(5)
    evaluate()
    assert drawn[0] == drawn[1]
