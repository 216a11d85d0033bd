"""The whole chain on a real fine-tuned model and real data, which are not part of the repository."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    Trainer,
)

from nc_trainer import QuantizationResult, QuantizationTrainer, QuantizationTrainingArguments
from nc_trainer.text_data.glue.glue_metrics import compute_metrics_for
from nc_trainer.text_data.loading import load_glue_folder
from nc_trainer.text_data.preprocessing import tokenize

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
MODEL, GLUE = SHARED / "models" / "minilm-sst2", SHARED / "glue"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (MODEL.is_dir() and GLUE.is_dir()), reason=f"needs a fine-tuned model and GLUE data in {SHARED}"
    ),
]


@dataclass(frozen=True)
class Tuned:
    """What one tuning run left."""

    trainer: QuantizationTrainer
    result: QuantizationResult
    directory: Path


def tune(directory: Path, int8_embeddings: bool) -> Tuned:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    data = load_glue_folder(GLUE, "sst2", ["validation"])
    arguments = QuantizationTrainingArguments(
        output_dir=str(directory),
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        per_device_eval_batch_size=16,
        int8_embeddings=int8_embeddings,
    )
    trainer = QuantizationTrainer(
        model=AutoModelForSequenceClassification.from_pretrained(MODEL),
        args=arguments,
        eval_dataset=tokenize(data.splits["validation"], tokenizer, data.text_columns, 128, pad_to_max_length=False),
        compute_metrics=compute_metrics_for("sst2", is_regression=False),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    result = trainer.quantize()
    trainer.save_model()
    return Tuned(trainer, result, directory)


@pytest.fixture(scope="module", params=[False, True], ids=["fp32-embeddings", "int8-embeddings"])
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    tuned = tune(tmp_path_factory.mktemp("int8"), request.param)
    torch.set_num_threads(threads)
    return tuned


def test_the_criterion_is_met_with_few_flips(tuned: Tuned) -> None:
    result = tuned.result
    assert result.outcome == "met"
    assert result.baseline.value == pytest.approx(0.8853, abs=5e-5)
    assert result.chosen.value is not None
    assert result.chosen.value >= 0.8765
    assert result.chosen.flips is not None
    assert result.chosen.flips <= 8
    assert result.chosen.rows == 872


def test_the_file_is_small(tuned: Tuned) -> None:
    limit = 30e6 if tuned.trainer.args.int8_embeddings else 60e6
    assert (tuned.directory / "model.safetensors").stat().st_size < limit


def test_the_reloaded_model_is_the_same(tuned: Tuned) -> None:
    loaded = AutoModelForSequenceClassification.from_pretrained(tuned.directory)
    model = tuned.trainer.model
    assert isinstance(model, PreTrainedModel)
    for key, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor)
    batch = AutoTokenizer.from_pretrained(tuned.directory)(["a fine film", "dull"], padding=True, return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(loaded(**batch).logits, model.eval()(**batch).logits)


def test_a_plain_trainer_gives_the_reloaded_model_the_same_accuracy(tuned: Tuned) -> None:
    ours = tuned.trainer
    loaded = AutoModelForSequenceClassification.from_pretrained(tuned.directory)
    plain = Trainer(
        model=loaded,
        args=ours.args,
        eval_dataset=ours.eval_dataset.select(range(200)),
        compute_metrics=ours.compute_metrics,
        data_collator=ours.data_collator,
    )
    assert plain.evaluate()["eval_accuracy"] == ours.evaluate(plain.eval_dataset)["eval_accuracy"]
