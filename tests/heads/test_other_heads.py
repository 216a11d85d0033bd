"""Models with other heads than a classifier's: quantized, saved, loaded again, timed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from helpers.encoder_decoders import generated_rows, small_encoder_decoder
from helpers.tiny import accuracy, tiny_bert, tiny_tokenizer, tiny_trainer, token_rows
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForTokenClassification,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForTokenClassification,
    DataCollatorForMultipleChoice,
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    EvalPrediction,
    PreTrainedModel,
    set_seed,
)

from nc_trainer import OptimizedModel, QuantizationTrainer, TuningConfig
from nc_trainer.int8.nn import Int8Linear
from nc_trainer.int8.proof import proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe
from nc_trainer.search.statistics.flips import compare_classes
from nc_trainer.trainer.batches import evaluation_batches
from nc_trainer.trainer.seq2seq import QuantizationSeq2SeqTrainer, QuantizationSeq2SeqTrainingArguments

pytestmark = pytest.mark.slow


def with_head(kind: type[PreTrainedModel], **changes: Any) -> PreTrainedModel:
    config = tiny_bert(**changes).config
    set_seed(0)
    return kind(config).eval()


def token_classification(tmp_path: Path) -> QuantizationTrainer:
    """Labelled by the model itself, but for the first token of each row."""
    model, rows = with_head(BertForTokenClassification), token_rows()
    with torch.no_grad():
        tags = [model(torch.tensor([ids])).logits[0].argmax(-1).tolist() for ids in rows["input_ids"]]
    rows = rows.add_column("labels", [[-100, *row[1:]] for row in tags])
    collator = DataCollatorForTokenClassification(tiny_tokenizer())
    return tiny_trainer(tmp_path, model, eval_dataset=rows, compute_metrics=tag_accuracy, data_collator=collator)


def tag_accuracy(prediction: EvalPrediction) -> dict[str, float]:
    asked = prediction.label_ids != -100
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids)[asked].mean())}


def multiple_choice(tmp_path: Path) -> QuantizationTrainer:
    model, random = with_head(BertForMultipleChoice), np.random.default_rng(0)
    choices = [[random.integers(1, 50, size=size).tolist() for size in random.integers(4, 12, 3)] for _ in range(12)]
    masks = [[[1] * len(choice) for choice in row] for row in choices]
    labels = random.integers(0, 3, 12).tolist()
    rows = Dataset.from_dict({"input_ids": choices, "attention_mask": masks, "label": labels})
    collator = DataCollatorForMultipleChoice(tiny_tokenizer())
    options = {"eval_dataset": rows, "train_dataset": rows, "data_collator": collator}
    return tiny_trainer(tmp_path, model, compute_metrics=accuracy, **options)


def question_answering(tmp_path: Path) -> QuantizationTrainer:
    """Labelled by the model itself."""
    model, rows = with_head(BertForQuestionAnswering, num_labels=2), token_rows()
    with torch.no_grad():
        found = [model(torch.tensor([ids])) for ids in rows["input_ids"]]
    rows = rows.add_column("start_positions", [int(output.start_logits.argmax()) for output in found])
    rows = rows.add_column("end_positions", [int(output.end_logits.argmax()) for output in found])
    return tiny_trainer(tmp_path, model, eval_dataset=rows, compute_metrics=span_accuracy)


def span_accuracy(prediction: EvalPrediction) -> dict[str, float]:
    right = [
        logits.argmax(-1) == ids for logits, ids in zip(prediction.predictions, prediction.label_ids, strict=True)
    ]
    return {"exact_match": float((right[0] & right[1]).mean())}


def generation(name: str) -> Callable[[Path], QuantizationTrainer]:
    def build(tmp_path: Path) -> QuantizationTrainer:
        """Labelled by what the model generates."""
        model, tokenizer = small_encoder_decoder(name), tiny_tokenizer()
        rows = generated_rows(model)
        return QuantizationSeq2SeqTrainer(
            model=model,
            args=QuantizationSeq2SeqTrainingArguments(
                output_dir=str(tmp_path / "out"),
                use_cpu=True,
                report_to="none",
                disable_tqdm=True,
                predict_with_generate=True,
            ),
            train_dataset=rows,
            eval_dataset=rows,
            compute_metrics=same_text,
            data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
            processing_class=tokenizer,
        )

    return build


def same_text(prediction: EvalPrediction) -> dict[str, float]:
    texts = [[[int(i) for i in row if i > 0] for row in ids] for ids in (prediction.predictions, prediction.label_ids)]
    return {"exact_match": float(np.mean([a[1:] == b or a == b for a, b in zip(*texts, strict=True)]))}


HEADS = {
    "question answering": (question_answering, AutoModelForQuestionAnswering),
    "token classification": (token_classification, AutoModelForTokenClassification),
    "multiple choice": (multiple_choice, AutoModelForMultipleChoice),
    "bart": (generation("bart"), AutoModelForSeq2SeqLM),
    "mbart": (generation("mbart"), AutoModelForSeq2SeqLM),
    "t5": (generation("t5"), AutoModelForSeq2SeqLM),
}


@pytest.mark.parametrize("head", HEADS)
def test_what_is_saved_is_loaded_bit_for_bit_and_scores_the_same(head: str, tmp_path: Path) -> None:
    build, loader = HEADS[head]
    trainer = build(tmp_path)
    result = trainer.quantize()
    assert result.trials
    assert not any(trial.error for trial in result.trials)
    trainer.save_model()
    score = trainer.score()
    expected = trainer.model.state_dict()
    for load in (loader, OptimizedModel):
        loaded = load.from_pretrained(trainer.args.output_dir)
        assert type(loaded) is type(trainer.model)
        found = loaded.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    trainer.model = loaded
    assert trainer.score() == score


@pytest.mark.parametrize("head", HEADS)
def test_every_head_is_timed(head: str, tmp_path: Path) -> None:
    trainer = HEADS[head][0](tmp_path)
    trainer.args.benchmark_iters, trainer.args.benchmark_warmup = 2, 1
    report = trainer.benchmark()
    assert report.models[0].metric_value == trainer.score()[1]
    assert len(report.models[0].latencies_s) == 2


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_an_int8_output_layer_has_codes_of_its_own(name: str, tmp_path: Path) -> None:
    """The embedding, whose table it shared, stays in float, also where loading would tie the two again."""
    trainer = generation(name)(tmp_path)
    before = trainer.model.get_input_embeddings().weight.clone()
    trainer.quantize(TuningConfig.from_dict({"quantization": {"float_dtype": "float32"}}))
    trainer.save_model()
    loaded = OptimizedModel.from_pretrained(trainer.args.output_dir)
    loaded.tie_weights()
    assert isinstance(loaded.lm_head, Int8Linear)
    assert dict(loaded.lm_head.named_parameters()) == {}
    assert torch.equal(loaded.get_input_embeddings().weight, before)


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_a_decoder_with_inputs_of_its_own_computes_all_of_its_rows(name: str, tmp_path: Path) -> None:
    """Its tokens may be as many as the encoder's; the encoder's mask says nothing about them."""
    trainer = generation(name)(tmp_path)
    tokens = torch.tensor([trainer.eval_dataset[0]["input_ids"]])
    row = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "decoder_input_ids": tokens[:, :3]}
    swapper = ModuleSwapper(trainer.model)
    recipe = proven(swapper, full_recipe(trainer.model), row).recipe
    assert recipe.padding == "skip"
    reads_the_encoder = ("encoder_attn.k_proj", "encoder_attn.v_proj", "EncDecAttention.k", "EncDecAttention.v")
    others = [name for name in recipe.token_wise if not name.endswith(reads_the_encoder)]
    assert [name for name in others if "decoder" in name or "lm_head" in name] == []


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_generating_with_a_cache_gives_the_tokens_of_generating_without(name: str, tmp_path: Path) -> None:
    trainer = generation(name)(tmp_path)
    trainer.quantize()
    ids = torch.tensor([trainer.eval_dataset[0]["input_ids"]])
    texts = [trainer.model.generate(ids, use_cache=cached, num_beams=1) for cached in (True, False)]
    assert torch.equal(*texts)


def test_what_follows_an_int8_layer_of_t5_stays_in_bfloat16() -> None:
    model = small_encoder_decoder("t5")
    ModuleSwapper(model).apply(full_recipe(model).with_rest_in("bfloat16"))
    found: list[torch.dtype] = []
    model.encoder.block[0].register_forward_hook(lambda module, args, output: found.append(output[0].dtype))
    with torch.no_grad():
        model.generate(torch.tensor([[5, 6, 7]]))
    assert found == [torch.bfloat16]


def test_the_decoder_is_given_the_labels_shifted_by_one_whatever_the_collator_does(tmp_path: Path) -> None:
    trainer = generation("t5")(tmp_path)
    from_collator = evaluation_batches(trainer, None, 1)[0]
    trainer.data_collator = DataCollatorForSeq2Seq(tiny_tokenizer())
    without = evaluation_batches(trainer, None, 1)[0]
    assert without.keys() == from_collator.keys()
    assert torch.equal(without["decoder_input_ids"], from_collator["decoder_input_ids"])
    assert "labels" not in without


def test_tokens_without_a_label_are_no_flips() -> None:
    labels = np.array([[-100, 1, 0], [-100, 1, -100]])
    before, after = np.array([[0, 1, 0], [0, 1, 1]]), np.array([[1, 1, 0], [1, 0, 0]])
    flips = compare_classes(before, after, labels)
    assert flips is not None
    assert (flips.rows, flips.changed, flips.better) == (2, 1, None)
