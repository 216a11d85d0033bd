"""A row has the same logits, bit for bit, alone and in any batch, with any padding, threads and grad mode."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.text_classifiers import CONFIGS, padded, sequences, text_classifier
from torch import Tensor
from transformers import PreTrainedModel

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.nn.attention_interface import use_native_attention
from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.proof import proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

pytestmark = pytest.mark.skipif(native.unavailable_reason() is not None, reason="other engines do not promise it")

SERVED = [name for name in CONFIGS if use_native_attention(text_classifier(name))]
ROWS = sequences([3, 11, 7, 5, 9, 11, 4])
LONGEST = 11
DTYPES = ("float32", "bfloat16")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def some_in_float(recipe: Recipe) -> Recipe:
    """Every third module and the head as a search may leave them: float layers, and activations that stand alone."""
    heads = ("classifier", "score", "pooler", "head")
    names = [n for i, n in enumerate(recipe.modules) if i % 3 == 1 or n.startswith(heads)]
    return recipe.with_fallbacks(set(names))


def int8_model(name: str, float_dtype: str, chosen: Callable[[Recipe], Recipe] = some_in_float) -> PreTrainedModel:
    model = text_classifier(name)
    swapper = ModuleSwapper(model)
    examples = padded(ROWS[:4], LONGEST)
    proof = proven(swapper, full_recipe(model).with_rest_in(float_dtype), examples)
    assert proof.recipe.attention == "native"
    swapper.apply(chosen(proof.recipe))
    return model


@torch.no_grad()
def logits(model: PreTrainedModel, rows: list[Tensor], tokens: int, side: str = "right") -> Tensor:
    return model(**padded(rows, tokens, side)).logits


def alone(model: PreTrainedModel) -> Tensor:
    return torch.cat([logits(model, [row], len(row)) for row in ROWS])


@pytest.mark.parametrize("float_dtype", DTYPES)
@pytest.mark.parametrize("name", SERVED)
def test_a_row_is_answered_as_if_it_were_alone(name: str, float_dtype: str) -> None:
    model = int8_model(name, float_dtype)
    expected = alone(model)
    for tokens in (LONGEST, LONGEST + 1, 37):
        assert torch.equal(logits(model, ROWS, tokens), expected)
    for threads in (2, 3):
        torch.set_num_threads(threads)
        assert torch.equal(logits(model, ROWS * 7, 20), expected.repeat(7, 1))
    with torch.inference_mode():
        assert torch.equal(model(**padded(ROWS, 16)).logits, expected)
    assert torch.equal(model(**padded(ROWS, 16)).logits.detach(), expected)


@pytest.mark.parametrize("float_dtype", DTYPES)
@pytest.mark.parametrize("name", SERVED)
def test_padding_on_the_left_is_no_reason_either(name: str, float_dtype: str) -> None:
    model = int8_model(name, float_dtype, lambda recipe: recipe)
    expected = torch.cat([logits(model, [row], 20, "left") for row in ROWS])
    assert torch.equal(logits(model, ROWS, 20, "left"), expected)
    reads_the_last = name in ("gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "gemma")
    if reads_the_last and "position_ids" in inspect.signature(type(model).forward).parameters:
        batch = padded(ROWS, 20, "left")
        batch["position_ids"] = (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)
        with torch.no_grad():
            assert torch.equal(model(**batch).logits, alone(model))


@pytest.mark.parametrize("float_dtype", DTYPES)
@pytest.mark.parametrize("change", [{"padding": "compute"}, {"read_rows": {}}, {"shared_inputs": ()}], ids=str)
def test_what_the_proof_drops_changes_no_bit(change: dict[str, Any], float_dtype: str) -> None:
    model = int8_model("bert", float_dtype)
    plain = int8_model("bert", float_dtype, lambda recipe: replace(some_in_float(recipe), **change))
    assert torch.equal(alone(plain), alone(model))


@pytest.mark.parametrize("name", sorted({"bert", "gpt2", "qwen2"}.intersection(SERVED)))
def test_a_batch_beyond_what_was_proven_has_the_same_bits_in_float32(name: str) -> None:
    def short(recipe: Recipe) -> Recipe:
        return replace(recipe, coverage=replace(recipe.coverage, tokens=LONGEST))

    model = int8_model(name, "float32", short)
    assert torch.equal(logits(model, ROWS, LONGEST + 1), alone(model))
