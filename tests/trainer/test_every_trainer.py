"""Trainers, models and data of one's own: what evaluates is quantized, benchmarked and reported."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from helpers.tiny import accuracy, tiny_bert, tiny_tokenizer, token_rows, with_labels_of
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from transformers import BertForSequenceClassification, DataCollatorWithPadding, EvalPrediction
from transformers.modeling_outputs import SequenceClassifierOutput

from nc_trainer import QuantizationError, QuantizationTrainer, QuantizationTrainingArguments, TuningConfig
from nc_trainer.trainer.batches import calibration_batches, evaluation_batches, labelled_batches

LOOSE = TuningConfig.from_dict({"tuning": {"accuracy_criterion": {"absolute": 0.9}, "report": {"timing": 0.2}}})


def made(kind: type[QuantizationTrainer], tmp_path: Path, **changes: Any) -> Any:
    """A trainer with 23 evaluation rows, so that a batch is incomplete."""
    model = changes.pop("model", None) or tiny_bert()
    arguments = changes.pop("arguments", {})
    args = QuantizationTrainingArguments(
        output_dir=str(tmp_path / "out"),
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        benchmark_iters=2,
        benchmark_warmup=0,
        **arguments,
    )
    given = {"train_dataset": token_rows(seed=1), "eval_dataset": labelled_rows(), "compute_metrics": accuracy}
    return kind(model=model, args=args, processing_class=tiny_tokenizer(), **(given | changes))


def labelled_rows() -> Dataset:
    return with_labels_of(tiny_bert(), token_rows()).select(range(23))


class Custom(BertForSequenceClassification):
    """With the weights of `tiny_bert`, as far as it has them."""

    @classmethod
    def tiny(cls) -> Any:
        plain = tiny_bert()
        model = cls(plain.config)
        model.load_state_dict(plain.state_dict(), strict=False)
        return model.eval()


class TakesAnything(Custom):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("num_items_in_batch", None)  # Trainer's, because there are keyword arguments
        return super().forward(*args, **kwargs)


class ReturnsTuples(Custom):
    def forward(self, input_ids: Any = None, attention_mask: Any = None, labels: Any = None) -> Any:
        return super().forward(input_ids, attention_mask, labels=labels).to_tuple()


class ReturnsADict(Custom):
    def forward(self, input_ids: Any = None, attention_mask: Any = None, labels: Any = None) -> Any:
        return dict(super().forward(input_ids, attention_mask, labels=labels))


class NeedsLabels(Custom):
    def forward(self, input_ids: Any = None, attention_mask: Any = None, labels: Any = None) -> Any:
        logits = super().forward(input_ids, attention_mask).logits
        return SequenceClassifierOutput(loss=nn.functional.cross_entropy(logits.float(), labels), logits=logits)


class HasAnEncoderLayer(Custom):
    """Of torch's own, which reads the weights of what it holds."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(config.hidden_size, 4, 64, batch_first=True)
        self.mixer = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, input_ids: Any = None, attention_mask: Any = None, labels: Any = None) -> Any:
        hidden = self.bert(input_ids, attention_mask=attention_mask).last_hidden_state
        mixed = self.mixer(hidden, src_key_padding_mask=attention_mask == 0)
        logits = self.classifier(mixed[:, 0])
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class ReadsANumber(Custom):
    """One number a row, and one for all of them."""

    def forward(
        self, input_ids: Any = None, attention_mask: Any = None, age: Any = None, scale: Any = None, labels: Any = None
    ) -> Any:
        output = super().forward(input_ids, attention_mask, labels=labels)
        output.logits = output.logits + (age[:, None] * scale).to(output.logits.dtype)
        return output


MODELS: dict[str, Callable[[], Any]] = {
    "return_dict=False": lambda: tiny_bert(return_dict=False),
    "forward(*args, **kwargs)": TakesAnything.tiny,
    "tuples": ReturnsTuples.tiny,
    "a plain dictionary": ReturnsADict.tiny,
    "needs labels": NeedsLabels.tiny,
    "an encoder layer of torch": HasAnEncoderLayer.tiny,
}


def is_quantized_and_timed(trainer: QuantizationTrainer, metric: str | None = None, rows: int = 23) -> Any:
    """As the trainer evaluates it, in every mode."""
    expected = trainer.evaluate()
    result = trainer.quantize(LOOSE, metric_name=metric)
    assert result.outcome == "met"
    assert result.baseline.value == pytest.approx(expected[f"eval_{result.metric.name}"], abs=1e-6)
    assert result.chosen.rows == rows
    assert result.report is not None
    assert not [note for note in (result.report.flipped.note, result.report.speed.note) if note.startswith("Left out")]
    timing = trainer.benchmark().models[-1]
    assert timing.metric_name == result.metric.name
    assert timing.metric_value == pytest.approx(result.chosen.value, abs=1e-6)
    return result


def of_model(tmp_path: Path, name: str) -> Any:
    arguments = {"label_names": ["labels"], "remove_unused_columns": "kwargs" not in name}
    return made(
        QuantizationTrainer, tmp_path, model=MODELS[name](), train_dataset=labelled_rows(), arguments=arguments
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_model_may_take_and_return_what_it_likes(tmp_path: Path, name: str) -> None:
    is_quantized_and_timed(of_model(tmp_path, name))


@pytest.mark.parametrize("strategy", ["ranked", "mse", "hawq_v2"])
@pytest.mark.parametrize("name", MODELS)
def test_modules_are_ranked_too(tmp_path: Path, name: str, strategy: str) -> None:
    trainer = of_model(tmp_path, name)
    strict = {"strategy": {"name": strategy}, "exit_policy": {"max_trials": 2}, "accuracy_criterion": {"absolute": 0}}
    result = trainer.quantize(TuningConfig.from_dict({"tuning": strict | {"report": {"enabled": False}}}))
    assert all(trial.error is None for trial in result.trials)


class WithNumbers(DataCollatorWithPadding):
    def __call__(self, features: Any) -> Any:
        batch = super().__call__(features)
        batch["age"], batch["scale"] = torch.linspace(0, 0.1, len(features)), torch.tensor(0.5)
        return batch


def test_inputs_may_have_one_dimension_or_none(tmp_path: Path) -> None:
    collator = WithNumbers(tiny_tokenizer())
    trainer = made(QuantizationTrainer, tmp_path, model=ReadsANumber.tiny(), data_collator=collator)
    is_quantized_and_timed(trainer)
    batch = calibration_batches(trainer, trainer.train_dataset, 3, seed=0)[0]
    assert {key: value.dim() for key, value in batch.items() if key in ("age", "scale")} == {"age": 1, "scale": 0}


class Extra(DataCollatorWithPadding):
    def __call__(self, features: Any) -> Any:
        return super().__call__(features) | {"weights": torch.ones(len(features)), "names": ["row"] * len(features)}


class PopsItsOwn(QuantizationTrainer):
    """Class weights, weights of rows, and a call of the model by position."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
        weights, labels = inputs.pop("weights"), inputs.pop("labels")
        assert inputs.pop("names")
        output = model(inputs["input_ids"], inputs["attention_mask"], output_hidden_states=False)
        each = nn.functional.cross_entropy(
            output.logits.float(), labels, torch.tensor([1.0, 2.0, 3.0]), reduction="none"
        )
        loss = (each * weights).mean()
        return (loss, output) if return_outputs else loss


def test_a_loss_of_ones_own_takes_its_own_from_the_batch(tmp_path: Path) -> None:
    trainer = made(PopsItsOwn, tmp_path, data_collator=Extra(tiny_tokenizer()))
    is_quantized_and_timed(trainer)
    assert set(evaluation_batches(trainer, None, 1)[0]) == {"input_ids", "attention_mask"}
    assert set(labelled_batches(trainer, labelled_rows(), 2, 0)[0]) == {"input_ids", "attention_mask", "labels"}


class StepsItsOwnWay(QuantizationTrainer):
    def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
        with torch.no_grad():
            logits = model(input_ids=inputs["input_ids"]).logits
        return None, logits, inputs["labels"]


def test_a_prediction_step_of_ones_own_says_what_the_model_is_given(tmp_path: Path) -> None:
    trainer = made(StepsItsOwnWay, tmp_path)
    is_quantized_and_timed(trainer)
    assert set(evaluation_batches(trainer, None, 1)[0]) == {"input_ids"}


def test_a_loss_function_may_be_given(tmp_path: Path) -> None:
    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        return nn.functional.cross_entropy(outputs["logits"].float(), labels)

    is_quantized_and_timed(made(QuantizationTrainer, tmp_path, compute_loss_func=loss))


@pytest.mark.parametrize(
    "preprocess", [lambda logits, labels: logits.argmax(-1), lambda logits, labels: (logits, labels)]
)
def test_logits_may_be_preprocessed(tmp_path: Path, preprocess: Any) -> None:
    def same(prediction: EvalPrediction) -> dict[str, float]:
        found = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
        classes = found.argmax(-1) if found.ndim > 1 else found
        return {"accuracy": float((classes == prediction.label_ids).mean())}

    trainer = made(QuantizationTrainer, tmp_path, preprocess_logits_for_metrics=preprocess, compute_metrics=same)
    is_quantized_and_timed(trainer)


class Streamed(IterableDataset):
    """Rows in another order each time, as a buffer shuffles them."""

    def __init__(self, rows: Dataset, shuffles: bool = False) -> None:
        self.rows, self.shuffles = rows, shuffles

    def __iter__(self) -> Iterator[Any]:
        order = np.random.permutation(len(self.rows)) if self.shuffles else range(len(self.rows))
        yield from (self.rows[int(number)] for number in order)


class StreamedWithLength(Streamed):
    def __len__(self) -> int:
        return len(self.rows)


@pytest.mark.parametrize(
    "streamed",
    [
        Streamed,
        StreamedWithLength,
        lambda rows: Streamed(rows, shuffles=True),
        lambda rows: rows.to_iterable_dataset(),
    ],
    ids=["stream", "length", "shuffled", "datasets"],
)
def test_data_may_be_a_stream(tmp_path: Path, streamed: Any) -> None:
    data = {"train_dataset": streamed(token_rows()), "eval_dataset": streamed(labelled_rows())}
    is_quantized_and_timed(made(QuantizationTrainer, tmp_path, arguments={"max_steps": 1}, **data))


def test_there_may_be_several_evaluation_sets(tmp_path: Path) -> None:
    sets = {"matched": labelled_rows(), "mismatched": labelled_rows().select(range(7))}
    trainer = made(QuantizationTrainer, tmp_path, eval_dataset=sets)
    with pytest.raises(QuantizationError, match=r"Cannot tell which metric to tune for: .*mismatched_accuracy"):
        trainer.quantize(LOOSE)
    result = is_quantized_and_timed(trainer, metric="eval_mismatched_accuracy", rows=30)
    assert result.metric.name == "mismatched_accuracy"
    assert "matched_runtime" not in result.chosen.metrics
    assert sum(len(batch["input_ids"]) for batch in evaluation_batches(trainer, None, None)) == 30


def test_one_evaluation_set_with_a_name_is_judged_like_one_without(tmp_path: Path) -> None:
    trainer = made(QuantizationTrainer, tmp_path, eval_dataset={"validation": labelled_rows()})
    assert is_quantized_and_timed(trainer).metric.name == "validation_accuracy"


def test_several_sets_may_be_judged_together_or_given_by_name(tmp_path: Path) -> None:
    sets = {"a": labelled_rows(), "b": labelled_rows().select(range(7))}
    together = {"absolute": 0.9, "multi_metrics": {"metrics": ["a_accuracy", "b_accuracy"]}}
    config = TuningConfig.from_dict({"tuning": {"accuracy_criterion": together}})
    assert made(QuantizationTrainer, tmp_path).quantize(config, eval_dataset=sets).outcome == "met"
    result = made(QuantizationTrainer, tmp_path, eval_dataset=sets).quantize(LOOSE, eval_dataset="b")
    assert (result.metric.name, result.chosen.rows) == ("accuracy", 7)


def test_a_label_that_the_model_does_not_have_is_named(tmp_path: Path) -> None:
    rows = labelled_rows()
    rows = rows.remove_columns("labels").add_column("labels", [*rows["labels"][:-1], 7])
    with pytest.raises(QuantizationError, match=r"label 7 in row 22, .* 3 labels, 0 to 2"):
        made(QuantizationTrainer, tmp_path, eval_dataset=rows).quantize(LOOSE)


def test_a_model_without_values_is_refused(tmp_path: Path) -> None:
    trainer = made(QuantizationTrainer, tmp_path)
    trainer.model = trainer.model.to("meta")
    with pytest.raises(QuantizationError, match=r"no values \(device meta\)"):
        trainer.quantize(LOOSE)
