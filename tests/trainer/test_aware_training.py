"""`approach: quant_aware_training`: the trainer trains modules that compute as in int8, then searches."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from helpers.logits import logits
from helpers.tiny import tiny_bert, tiny_trainer, token_rows, tuning_config
from torch import Tensor, nn
from transformers import BertForSequenceClassification, TrainerCallback

from nc_trainer import ConfigError, QuantizationError, QuantizationTrainer
from nc_trainer.int8.ops import use_engine
from nc_trainer.int8.ops.engines import ENGINES
from nc_trainer.int8.quantize import is_int8
from nc_trainer.trainer.distillation import distilling

AWARE = "quant_aware_training"
POST = "post_training_dynamic_quant"


def by_first_token(rows: int, seed: int) -> Dataset:
    found = token_rows(rows=rows, seed=seed)
    return found.add_column("labels", [int(ids[0] < 25) for ids in found["input_ids"]])


def arguments(**changes: Any) -> dict[str, Any]:
    sizes = {"per_device_train_batch_size": 8, "per_device_eval_batch_size": 100, "num_train_epochs": 1}
    return {"learning_rate": 5e-3, "save_strategy": "no", "logging_strategy": "no"} | sizes | changes


def trainer(tmp_path: Path, model: nn.Module, rows: int = 300, **changes: Any) -> QuantizationTrainer:
    given = arguments(**changes.pop("arguments", {}))
    data = {"train_dataset": by_first_token(rows, 2), "eval_dataset": by_first_token(100, 3)}
    return tiny_trainer(tmp_path, model, arguments=given, **(data | changes))


def small_bert() -> BertForSequenceClassification:
    without_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return tiny_bert(2, initializer_range=0.1, **without_dropout)


def config(approach: str = AWARE, distillation: float = 0.0, **tuning: Any) -> Any:
    judged = {"accuracy_criterion": {"absolute": 0.02}, "exit_policy": {"max_trials": 1}}
    quantization = {"approach": approach, "float_dtype": "float32", AWARE: {"distillation": distillation}}
    return tuning_config(quantization=quantization, tuning=judged | tuning)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """A trained classifier, one input of whose head is always 0 and has weights that take the whole range of codes."""
    model = small_bert()
    trainer(tmp_path_factory.mktemp("float"), model, arguments={"num_train_epochs": 2, "learning_rate": 3e-3}).train()
    with torch.no_grad():
        model.bert.pooler.dense.weight[0] = 0.0
        model.bert.pooler.dense.bias[0] = 0.0
        model.classifier.weight[:, 0] = 80.0
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def of(state: dict[str, Tensor]) -> BertForSequenceClassification:
    model = small_bert()
    model.load_state_dict(state)
    return model


class AtTheEnd(TrainerCallback):
    """Keeps what the model answers when training has ended, and how it was evaluated on the way."""

    def __init__(self) -> None:
        self.logits: Tensor | None = None
        self.evaluated: list[float] = []

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        self.evaluated.append(metrics["eval_accuracy"])

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.logits = logits(model)
        model.train()


@pytest.mark.parametrize("distillation", [0.0, 0.5])
def test_one_epoch_meets_what_post_training_misses(
    tmp_path: Path, planted: dict[str, Tensor], distillation: float
) -> None:
    missed = trainer(tmp_path / "post", of(planted)).quantize(config(POST))
    assert (missed.outcome, missed.baseline.value) == ("best_effort", 1.0)
    assert missed.chosen.value < 0.6
    model = of(planted)
    if distillation:  # logits are far apart while the head has to change that much
        model.bert.requires_grad_(False)
    met = trainer(tmp_path / "aware", model, arguments={"learning_rate": 1e-2 if distillation else 5e-3}).quantize(
        config(distillation=distillation)
    )
    assert (met.outcome, met.baseline.value, len(met.trials)) == ("met", 1.0, 1)
    assert met.recipe.modules == missed.recipe.modules
    assert is_int8(met.model)
    assert any("trained for int8, up to step 38" in note for note in met.notes)


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_the_int8_model_answers_as_the_fake_quantized_one_did(
    tmp_path: Path, planted: dict[str, Tensor], engine: str
) -> None:
    """Within a thousandth of the largest logit: attention and the gelu of layers are then those of other kernels."""
    if ENGINES[engine].unavailable_reason() is not None:
        pytest.skip(f"the {engine} engine cannot run here")
    model, end = of(planted), AtTheEnd()
    trained = trainer(tmp_path, model, rows=40, callbacks=[end], arguments={"eval_strategy": "epoch"})
    with use_engine(engine):
        result = trained.quantize(config())
        found = logits(model)
    assert end.logits is not None
    assert (found - end.logits).abs().max() <= 1e-3 * found.abs().max()
    assert result.chosen.value == pytest.approx(end.evaluated[-1], abs=0.011)


class Killed(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 5:
            raise KeyboardInterrupt


def test_a_killed_training_gives_the_float_model_back_and_resumes(tmp_path: Path, planted: dict[str, Tensor]) -> None:
    saving = {"save_strategy": "steps", "save_steps": 2}
    model = of(planted)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, model, rows=64, callbacks=[Killed()], arguments=saving).quantize(config())
    assert not is_int8(model)
    assert all(torch.equal(tensor, planted[name]) for name, tensor in model.state_dict().items())
    assert [type(module) for module in model.modules()] == [type(module) for module in small_bert().modules()]
    checkpoint = tmp_path / "out" / "checkpoint-4"
    BertForSequenceClassification.from_pretrained(checkpoint)  # an ordinary float model
    resumed, whole = of(planted), of(planted)
    again = saving | {"resume_from_checkpoint": str(checkpoint)}
    trainer(tmp_path, resumed, rows=64, arguments=again).quantize(config())
    trainer(tmp_path / "whole", whole, rows=64).quantize(config())
    assert torch.equal(logits(resumed), logits(whole))


def test_the_best_checkpoint_is_the_one_that_is_best_in_int8(tmp_path: Path, planted: dict[str, Tensor]) -> None:
    end = AtTheEnd()
    best = {"save_strategy": "epoch", "eval_strategy": "epoch", "num_train_epochs": 3, "load_best_model_at_end": True}
    ours = trainer(
        tmp_path, of(planted), rows=40, callbacks=[end], arguments=best | {"metric_for_best_model": "accuracy"}
    )
    result = ours.quantize(config())
    assert result.chosen.value == max(end.evaluated)
    ours.save_model()
    loaded = BertForSequenceClassification.from_pretrained(tmp_path / "out")
    assert torch.equal(logits(loaded), logits(ours.model))


def test_a_search_that_fails_after_training_gives_the_float_model_back(
    tmp_path: Path, planted: dict[str, Tensor]
) -> None:
    model = of(planted)

    def fails_on_int8(prediction: Any) -> dict[str, float]:
        if is_int8(model):
            raise RuntimeError("boom")
        return {"accuracy": 1.0}

    result = trainer(tmp_path, model, rows=16, compute_metrics=fails_on_int8).quantize(config())
    assert result.outcome == "baseline"
    assert all(torch.equal(tensor, planted[name]) for name, tensor in model.state_dict().items())


def test_fallbacks_of_the_configuration_are_not_trained_in_int8(tmp_path: Path, planted: dict[str, Tensor]) -> None:
    seen = []

    class Look(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            seen.extend([type(model.classifier), type(model.bert.pooler.dense)])

    wanted = {"approach": AWARE, "op_wise": {"classifier": {"weight": {"dtype": "fp32"}}}}
    trainer(tmp_path, of(planted), rows=16, callbacks=[Look()]).quantize(tuning_config(quantization=wanted))
    assert seen[0] is nn.Linear
    assert seen[1] is not nn.Linear


def test_distillation_is_a_share_of_whatever_loss_the_trainer_has(tmp_path: Path) -> None:
    model, teacher = small_bert(), small_bert()
    with torch.no_grad():
        model.classifier.bias[0] += 1.0
    ours = trainer(tmp_path, model)
    ours.compute_loss = lambda model, inputs, return_outputs=False: model(**inputs).logits.sum() * 0 + 3.0
    own = ours.compute_loss
    inputs = {"input_ids": torch.tensor([[5, 6, 7]]), "labels": torch.tensor([1])}
    with distilling(ours, teacher, 0.25):
        loss = ours.compute_loss(model.train(), inputs)
        assert loss.item() == pytest.approx(0.75 * 3.0 + 0.25 * 0.5)  # one of two logits is off by one
        assert ours.compute_loss(model.eval(), inputs).item() == 3.0
    assert ours.compute_loss is own
    assert all(not parameter.requires_grad for parameter in teacher.parameters())


def test_a_train_set_is_needed(tmp_path: Path) -> None:
    with pytest.raises(QuantizationError, match="give the trainer a `train_dataset`"):
        trainer(tmp_path, small_bert(), train_dataset=None).quantize(config())


def test_explanations_have_no_float_model_to_be_compared_with(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="whose weights quant_aware_training changes"):
        trainer(tmp_path, small_bert()).quantize(config(objective="shapley_mse"))
