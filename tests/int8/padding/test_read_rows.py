"""Rows of the last layer that no head reads are not computed, unless somebody may look at them."""

import copy
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from helpers.tiny import tiny_bert
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.nn import linear, shared_input
from nc_trainer.int8.proof import proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

IDS = torch.tensor([[5, 6, 7, 8, 9, 2], [10, 11, 2, 0, 0, 0]])
MASK = (IDS != 0).long()
INPUTS = {"input_ids": IDS, "attention_mask": MASK}
LAST_LAYER = "bert.encoder.layer.1"
REAL, FIRST = [0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 6]
Rows = list[list[int] | None]


@cache
def proven_recipe() -> Recipe:
    model = tiny_bert()
    return proven(ModuleSwapper(model), full_recipe(model), INPUTS).recipe


def int8_bert(**parts: Any) -> BertForSequenceClassification:
    model = tiny_bert()
    ModuleSwapper(model).apply(replace(proven_recipe(), **parts))
    return model


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Of each call of the operator on [batch, tokens, ...], the rows that are computed; None for all."""
    seen: Rows = []
    operator = linear.int8_linears

    def spy(x: Tensor, *args: Any, **kwargs: Any) -> list[Tensor]:
        chosen = kwargs.get("rows", args[4] if len(args) > 4 else None)
        if x.dim() == 3:
            seen.append(None if chosen is None else chosen.tolist())
        return operator(x, *args, **kwargs)

    for module in (linear, shared_input):
        monkeypatch.setattr(module, "int8_linears", spy)
    return seen


def test_query_output_and_feed_forward_of_the_last_layer_compute_the_first_token_only(rows: Rows) -> None:
    model = int8_bert()
    rows.clear()
    model(**INPUTS)
    first_layer = [REAL, REAL, REAL, REAL]  # query, key and value in one call
    assert rows == [*first_layer, FIRST, REAL, FIRST, FIRST, FIRST]


def test_without_padding_and_without_a_mask_too(rows: Rows) -> None:
    model = int8_bert()
    rows.clear()
    model(IDS[:1])
    assert rows == [None, None, None, None, [0], None, [0], [0], [0]]


def test_only_what_is_int8_leaves_rows_out(rows: Rows) -> None:
    model = tiny_bert()
    swapper = ModuleSwapper(model)
    recipe = proven_recipe().with_fallbacks([f"{LAST_LAYER}.attention.self.query", f"{LAST_LAYER}.output.dense"])
    swapper.apply(replace(recipe, read_rows={}))
    expected = model(**INPUTS).logits
    swapper.apply(recipe)
    rows.clear()
    assert torch.equal(model(**INPUTS).logits, expected)
    assert rows[4:] == [REAL, FIRST, FIRST]


def hidden_states(model: nn.Module) -> Tensor:
    return model(**INPUTS, output_hidden_states=True).hidden_states[-1]


def seen_by_hook(name: str) -> Callable[[nn.Module], Tensor]:
    def look(model: nn.Module) -> Tensor:
        seen: list[Any] = []
        with model.get_submodule(name).register_forward_hook(lambda module, args, output: seen.append(output)):
            model(**INPUTS)
        output = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
        return output if isinstance(output, Tensor) else output.last_hidden_state

    return look


def seen_by_pre_hook(model: BertForSequenceClassification) -> Tensor:
    seen: list[Tensor] = []
    with model.bert.pooler.register_forward_pre_hook(lambda module, args: seen.append(args[0])):
        model(**INPUTS)
    return seen[0]


def by_config(model: BertForSequenceClassification) -> Tensor:
    model.config.output_hidden_states = True
    try:
        return model(**INPUTS).hidden_states[-1]
    finally:
        model.config.output_hidden_states = False


@pytest.mark.parametrize(
    "look",
    [
        hidden_states,
        by_config,
        seen_by_pre_hook,
        seen_by_hook(LAST_LAYER),
        seen_by_hook(f"{LAST_LAYER}.output.dense"),
        seen_by_hook(f"{LAST_LAYER}.attention"),
        seen_by_hook("bert.encoder"),
        seen_by_hook("bert"),
        lambda model: model.bert(**INPUTS).last_hidden_state,
        lambda model: model.bert.encoder.layer[1].output.dense(torch.ones(2, 6, 64)),
    ],
)
def test_who_looks_at_the_last_layer_sees_all_of_its_real_rows(look: Callable[[nn.Module], Tensor]) -> None:
    model, plain = int8_bert(), int8_bert(read_rows={})
    real = MASK.bool()
    for _ in range(2):
        with torch.no_grad():
            model(**INPUTS)
            found, expected = look(model), look(plain)
        assert torch.equal(found[real], expected[real])
        assert bool(found[real].any(-1).all())


@pytest.mark.parametrize(
    "arguments",
    [
        {"output_attentions": True},
        {"output_hidden_states": True},
        {"inputs_embeds": torch.ones(2, 6, 32)},
        {"something_else": 1},
    ],
)
def test_arguments_that_may_ask_for_more_compute_all_rows(arguments: dict[str, Any], rows: Rows) -> None:
    model = int8_bert()
    inputs = {"attention_mask": MASK} | ({} if "inputs_embeds" in arguments else {"input_ids": IDS})
    rows.clear()
    try:
        model(**inputs, **arguments)
    except TypeError:  # 4.57 takes no argument that it does not know
        return
    assert FIRST not in rows


@pytest.mark.parametrize("name", ["", "bert.encoder.layer.0", "bert.encoder.layer.0.output.dense"])
def test_who_looks_elsewhere_does_not_make_it_slower(name: str, rows: Rows) -> None:
    model = int8_bert()
    rows.clear()
    with model.get_submodule(name).register_forward_hook(lambda module, args, output: None):
        model(**INPUTS)
    assert rows.count(FIRST) == 4


def test_rows_are_left_out_again_when_nobody_looks_any_more(rows: Rows) -> None:
    model = int8_bert()
    handle = model.bert.pooler.register_forward_hook(lambda module, args, output: None)
    rows.clear()
    model(**INPUTS)
    assert FIRST not in rows
    handle.remove()
    model(**INPUTS)
    assert rows.count(FIRST) == 4


def test_a_copy_has_hooks_of_its_own(rows: Rows) -> None:
    model = int8_bert()
    model(**INPUTS)
    other = copy.deepcopy(model)
    other.bert.pooler.register_forward_hook(lambda module, args, output: None)
    rows.clear()
    other(**INPUTS)
    assert FIRST not in rows
    model(**INPUTS)
    assert rows.count(FIRST) == 4


def test_labels_are_no_reason_to_compute_more(rows: Rows) -> None:
    model = int8_bert()
    rows.clear()
    model(**INPUTS, labels=torch.tensor([0, 1]))
    assert rows.count(FIRST) == 4


def test_threads_do_not_mix_their_rows() -> None:
    model = int8_bert()
    batches = [{key: value[:, :tokens] for key, value in INPUTS.items()} for tokens in (6, 4)]
    with torch.no_grad():
        expected = [model(**batch).logits for batch in batches]
    wrong: list[int] = []

    def work(number: int) -> None:
        with torch.no_grad():
            answers = [model(**batches[number]).logits for _ in range(30)]
        wrong.extend(number for answer in answers if not torch.equal(answer, expected[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
