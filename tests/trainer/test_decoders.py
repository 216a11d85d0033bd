"""Classifiers on decoders: padding on either side, a cache, grouped queries, tied and int8 embeddings."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.logits import logits
from helpers.tiny import accuracy, config, tiny_tokenizer, token_rows, with_labels_of
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel, set_seed

from nc_trainer import QuantizationTrainer, QuantizationTrainingArguments
from nc_trainer.int8.nn import Int8Embedding

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "num_labels": 3,
    "initializer_range": 0.2,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 6},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {"head_dim": 8},
    "gemma": {"head_dim": 8, "num_key_value_heads": 1},
    "gemma2": {"head_dim": 8, "sliding_window": 6},
    "gemma3_text": {"head_dim": 8, "sliding_window": 6},
    "phi3": {"bos_token_id": 1, "eos_token_id": 2},
}
LINEAR_LAYERS = {"phi3": 4}
"""Of one decoder layer: queries, keys and values in one, gate and up in one. All others have seven."""
SIDES = ("right", "left")


def decoder(family: str, **changes: Any) -> PreTrainedModel:
    set_seed(0)
    settings = AutoConfig.for_model(family, **(SIZES | FAMILIES[family] | changes))
    return AutoModelForSequenceClassification.from_config(settings).eval()


def trained(tmp_path: Path, model: PreTrainedModel, side: str, **changes: Any) -> QuantizationTrainer:
    """A trainer whose tokenizer pads on this side, with rows of several lengths, labelled by the float model."""
    tokenizer = tiny_tokenizer()
    tokenizer.padding_side = side
    args = QuantizationTrainingArguments(
        output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none", disable_tqdm=True, **changes
    )
    return QuantizationTrainer(
        model=model,
        args=args,
        eval_dataset=with_labels_of(model, token_rows()),
        compute_metrics=accuracy,
        processing_class=tokenizer,
    )


def padded(side: str) -> dict[str, Tensor]:
    rows = [[3, 4, 5, 6, 7, 8, 9, 10], [11, 12, 13], [14]]
    batch = tiny_tokenizer()
    batch.padding_side = side
    return dict(batch.pad({"input_ids": rows}, return_tensors="pt"))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_is_int8_and_loads_with_the_same_bits(family: str, side: str, tmp_path: Path) -> None:
    trainer = trained(tmp_path, decoder(family), side)
    result = trainer.quantize(config())
    assert result.outcome == "met"
    assert len(result.recipe.quantized) == 2 * LINEAR_LAYERS.get(family, 7) + 1
    trainer.save_model()
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    for batch in map(padded, SIDES):
        expected = logits(trainer.model, **batch)
        assert torch.equal(logits(loaded, **batch), expected)
        with torch.no_grad():
            assert torch.equal(loaded(**batch, use_cache=True).logits, expected)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_an_answer_no_more_than_in_float(family: str, side: str, tmp_path: Path) -> None:
    model = decoder(family)
    alone = torch.tensor([[11, 12, 13]])
    before = logits(model, input_ids=alone)[0] - logits(model, **padded(side))[1]
    trained(tmp_path, model, side).quantize(config(quantization={"float_dtype": "float32"}))
    after = logits(model, input_ids=alone)[0] - logits(model, **padded(side))[1]
    assert after.abs().max() <= before.abs().max() + 2e-2


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_int8_embeddings_of_a_decoder_load_with_the_same_bits(family: str, tmp_path: Path) -> None:
    trainer = trained(tmp_path, decoder(family, tie_word_embeddings=True), "left", int8_embeddings=True)
    trainer.quantize(config())
    assert any(isinstance(module, Int8Embedding) for module in trainer.model.modules())
    trainer.save_model()
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert torch.equal(logits(loaded, **padded("left")), logits(trainer.model, **padded("left")))


def test_a_cache_that_the_config_asks_for_changes_nothing(tmp_path: Path) -> None:
    found = []
    for use_cache in (True, False):
        trainer = trained(tmp_path, decoder("llama", use_cache=use_cache), "left")
        trainer.quantize(config())
        found.append(logits(trainer.model, **padded("left")))
    assert torch.equal(*found)
