"""What int8 models of families with unusual structure answer, against float and whatever the shape of the batch."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    BigBirdConfig,
    BigBirdForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForSequenceClassification,
    T5Config,
    T5ForSequenceClassification,
    set_seed,
)

from nc_trainer.int8.proof import proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
END = 3
IDS = torch.tensor([[7, 8, 9, 10, 11, 12, 13, 14, END], [15, 16, 17, 18, END, 0, 0, 0, 0]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}


def gated_t5() -> PreTrainedModel:
    config = T5Config(
        vocab_size=60, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu",
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=END,
    )  # fmt: skip
    return T5ForSequenceClassification(config)


def deberta() -> PreTrainedModel:
    """Its relative positions are projected as [1, 2 * position_buckets, hidden]."""
    config = DebertaV2Config(
        **SIZES, max_position_embeddings=64, relative_attention=True, position_buckets=16, norm_rel_ebd="layer_norm",
        share_att_key=True, pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0,
    )  # fmt: skip
    model = DebertaV2ForSequenceClassification(config)
    model.deberta.encoder.rel_embeddings.weight.data.normal_()
    return model


def big_bird() -> PreTrainedModel:
    return BigBirdForSequenceClassification(BigBirdConfig(**SIZES, attention_type="block_sparse", block_size=4))


def widened(build: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    set_seed(0)
    model = build()
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and "embed" not in name and "shared" not in name:
            nn.init.normal_(parameter, std=0.8 / parameter.shape[1] ** 0.5)
    return model.eval()


@torch.no_grad()
def answer(model: PreTrainedModel, tokens: int = 9, rows: slice = slice(None)) -> Tensor:
    padded = {key: torch.nn.functional.pad(value[rows], (0, tokens - 9)) for key, value in INPUTS.items()}
    return model(**padded).logits


def quantized(model: PreTrainedModel, float_dtype: str = "float32") -> PreTrainedModel:
    swapper = ModuleSwapper(model)
    swapper.apply(proven(swapper, full_recipe(model).with_rest_in(float_dtype), INPUTS).recipe)
    return model


@pytest.mark.parametrize("float_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("build", [gated_t5, deberta, big_bird])
def test_int8_is_near_float(build: Callable[[], PreTrainedModel], float_dtype: str) -> None:
    expected = answer(widened(build))
    found = answer(quantized(widened(build), float_dtype))
    assert found.dtype == torch.float32
    assert float((found - expected).square().mean().sqrt() / expected.std()) < 0.15


@pytest.mark.parametrize("tokens", [16, 31, 32, 33, 64])
def test_one_row_is_what_two_are_however_it_is_padded(tokens: int) -> None:
    model = quantized(widened(deberta))
    expected = answer(model)
    for row in range(2):
        found = answer(model, tokens, slice(row, row + 1))[0]
        assert float((found - expected[row]).abs().max()) < 0.05 * float(expected.abs().max())


def test_the_gate_keeps_its_activation() -> None:
    model = widened(gated_t5)
    swapper = ModuleSwapper(model)
    recipe = proven(swapper, full_recipe(model), INPUTS).recipe
    gate = "transformer.encoder.block.0.layer.1.DenseReluDense.wi_0"
    assert recipe.activations[gate].function == "gelu_tanh"
    swapper.apply(recipe)
    fused = answer(model)
    swapper.apply(replace(recipe, activations={}))
    assert float((answer(model) - fused).abs().max()) < 1e-4


def test_the_gate_of_swiglu_applies_silu_itself() -> None:
    model = widened(
        lambda: Qwen2ForSequenceClassification(Qwen2Config(**SIZES, num_key_value_heads=2, pad_token_id=0))
    )
    recipe = proven(ModuleSwapper(model), full_recipe(model), INPUTS).recipe
    gates = {name: fused.function for name, fused in recipe.activations.items()}
    assert gates == {f"model.layers.{layer}.mlp.gate_proj": "silu" for layer in range(2)}


def test_big_bird_stays_sparse() -> None:
    model = widened(big_bird)
    quantized(model)
    assert model.bert.attention_type == "block_sparse"
    assert {layer.attention_type for layer in model.bert.encoder.layer} == {"block_sparse"}
    assert {type(layer.attention.self).__name__ for layer in model.bert.encoder.layer} == {
        "BigBirdBlockSparseAttention"
    }


def test_the_float_model_is_the_same_after_a_proof() -> None:
    for build in (gated_t5, deberta, big_bird):
        model = widened(build)
        before, keys = {k: v.clone() for k, v in model.state_dict().items()}, list(model.state_dict())
        proven(ModuleSwapper(model), full_recipe(model), INPUTS)
        assert list(model.state_dict()) == keys
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
