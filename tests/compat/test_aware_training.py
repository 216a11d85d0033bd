"""Quantization-aware training by the names of Neural Compressor 1.x and 2.x."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.logits import logits
from helpers.tiny import tiny_bert, token_rows, tuning_config, with_labels_of
from torch import nn
from transformers import AutoModelForSequenceClassification

from nc_trainer import ConfigError
from nc_trainer.config import PostTrainingQuantConfig, QuantizationAwareTrainingConfig
from nc_trainer.experimental import Quantization, common
from nc_trainer.int8.quantize import is_int8
from nc_trainer.int8.training import FAKE_QUANTIZED
from nc_trainer.training import fit, prepare_compression

POST_TRAINING: Any = PostTrainingQuantConfig()
AWARE = {"quantization": {"approach": "quant_aware_training", "float_dtype": "float32"}}


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def batches() -> list[dict[str, torch.Tensor]]:
    rows = with_labels_of(tiny_bert(), token_rows(rows=8))
    return [{"input_ids": torch.tensor([row["input_ids"]]), "labels": torch.tensor([row["labels"]])} for row in rows]


def trains(seen: list[Any], end: Callable[[], Any] = lambda: None) -> Callable[[nn.Module], nn.Module]:
    """A training loop that keeps the type of the head while it runs, and what the model answers after it."""

    def train(model: nn.Module) -> nn.Module:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        model.train()
        for batch in batches():
            model(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        seen.extend([type(model.classifier), logits(model.eval())])
        end()
        return model

    return train


def right(model: nn.Module) -> float:
    with torch.no_grad():
        return sum(float(model(**batch).logits.argmax() == batch["labels"]) for batch in batches()) / 8


def check(found: common.Model, seen: list[Any]) -> None:
    """It was trained with fake quantization, and answers as it did then."""
    assert seen[0] is FAKE_QUANTIZED[nn.Linear]
    assert is_int8(found.model)
    assert torch.allclose(logits(found.model), seen[1], atol=1e-4)
    found.save("saved")
    loaded = AutoModelForSequenceClassification.from_pretrained("saved")
    assert torch.equal(logits(loaded), logits(found.model))


def test_q_func_of_1x_trains_and_the_float_model_before_is_the_baseline() -> None:
    seen: list[Any] = []
    quantizer = Quantization(tuning_config(**AWARE, tuning={"accuracy_criterion": {"absolute": 0.9}}))
    quantizer.model = common.Model(tiny_bert())
    quantizer.q_func = trains(seen)
    quantizer.eval_func = right
    found = quantizer.fit()
    check(found, seen)
    assert found.result is not None
    assert found.result.baseline.value == 1.0
    assert any("trained for int8" in note for note in found.result.notes)


def test_fit_of_2x_trains_and_searches_whatever_callbacks_are_called() -> None:
    seen: list[Any] = []
    conf = QuantizationAwareTrainingConfig(excluded_precisions=["bf16"])
    manager = prepare_compression(tiny_bert(), conf)

    def train(model: nn.Module) -> nn.Module:
        manager.callbacks.on_train_begin()
        trains(seen, manager.callbacks.on_train_end)(model)
        assert not is_int8(model)
        return model

    check(fit(manager, train, eval_func=right), seen)


def test_fit_without_anything_to_judge_by() -> None:
    seen: list[Any] = []
    check(fit(prepare_compression(common.Model(tiny_bert()), QuantizationAwareTrainingConfig()), trains(seen)), seen)


def test_a_loop_of_ones_own_with_the_callbacks_of_2x() -> None:
    seen: list[Any] = []
    manager = prepare_compression(tiny_bert(), [QuantizationAwareTrainingConfig()])
    callbacks = manager.callbacks
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    callbacks.on_step_begin(0)
    trains(seen)(manager.model)
    assert callbacks.on_after_compute_loss(None, None, torch.tensor(2.0)) == 2.0
    callbacks.on_before_optimizer_step()
    callbacks.on_after_optimizer_step()
    callbacks.on_step_end()
    callbacks.on_epoch_end()
    callbacks.on_train_end()
    assert is_int8(manager.model)
    manager.save("own")
    check(common.Model(manager.model), seen)


def test_a_training_that_fails_gives_the_float_model_back() -> None:
    model = tiny_bert()
    before = logits(model)

    def fails(given: nn.Module) -> None:
        model.classifier.weight.data += 1
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fit(prepare_compression(model, QuantizationAwareTrainingConfig()), fails, eval_func=right)
    assert torch.equal(logits(model), before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: prepare_compression(tiny_bert(), POST_TRAINING),
            "found PostTrainingQuantConfig, expected",
        ),
        (lambda: prepare_compression(tiny_bert(), []), "found nothing, expected one"),
        (lambda: QuantizationAwareTrainingConfig(inputs=["x"]), "describe graphs of other frameworks"),
        (
            lambda: QuantizationAwareTrainingConfig(approach="dynamic"),
            "`QuantizationAwareTrainingConfig.approach`: found 'dynamic', expected 'quant_aware_training'",
        ),
        (lambda: judged(None), "needs a function that trains"),
        (lambda: judged(lambda model: tiny_bert()), "returned another model"),
        (lambda: judged(print, distillation=0.5), "that of a training function is its own"),
    ],
)
def test_what_is_wrong_is_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


def judged(q_func: Any, **settings: Any) -> common.Model:
    quantizer = Quantization(
        tuning_config(quantization={"approach": "quant_aware_training", "quant_aware_training": settings})
    )
    quantizer.model, quantizer.q_func, quantizer.eval_func = tiny_bert(), q_func, right
    return quantizer()


def test_training_ends_only_after_it_began() -> None:
    with pytest.raises(ConfigError, match=r"without `on_train_begin\(\)`"):
        prepare_compression(tiny_bert(), QuantizationAwareTrainingConfig()).callbacks.on_train_end()
