"""Padding is left out where that changes no bit of the logits, and nowhere else."""

import threading
from dataclasses import replace

import pytest
import torch
from helpers.tiny import tiny_bert
from torch import Tensor, nn

from nc_trainer import Recipe
from nc_trainer.config.recipe import Coverage
from nc_trainer.int8.fusion import with_fusions
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

IDS = torch.tensor([[5, 6, 7, 8, 9, 2], [10, 11, 2, 0, 0, 0]])
MASK = (IDS != 0).long()
TOKEN_WISE = tuple(name for name in full_recipe(tiny_bert()).modules if ".layer." in name)


def logits(model: nn.Module, **changes: Tensor) -> Tensor:
    with torch.no_grad():
        return model.eval()(**({"input_ids": IDS, "attention_mask": MASK} | changes)).logits


def skipping(recipe: Recipe) -> Recipe:
    return replace(recipe, padding="skip", token_wise=TOKEN_WISE, coverage=Coverage(padding=("right",)))


@pytest.mark.parametrize("float_dtype", ["float32", "bfloat16"])
def test_the_logits_of_bert_keep_every_bit(float_dtype: str) -> None:
    model = tiny_bert()
    swapper, recipe = ModuleSwapper(model), full_recipe(model).with_rest_in(float_dtype)
    recipe = with_fusions(model, recipe, [{"input_ids": IDS}])
    swapper.apply(recipe)
    expected = logits(model)
    swapper.apply(skipping(recipe))
    assert torch.equal(logits(model), expected)


def test_rows_of_padding_are_not_computed() -> None:
    model = tiny_bert()
    ModuleSwapper(model).apply(skipping(full_recipe(model)))
    seen = []
    layer = model.bert.encoder.layer[0].intermediate.dense
    layer.register_forward_hook(lambda module, args, output: seen.append(output))
    logits(model)
    assert bool((seen[0][MASK == 0] == 0).all())
    assert bool((seen[0][MASK == 1] != 0).any(dim=-1).all())


@pytest.mark.parametrize("name", ["positional", "keyword", "absent"])
def test_the_mask_is_found_however_it_is_passed(name: str) -> None:
    model = tiny_bert()
    ModuleSwapper(model).apply(skipping(full_recipe(model)))
    seen = []
    model.bert.pooler.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    layer = model.bert.encoder.layer[0].attention.self.query
    layer.register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.no_grad():
        {
            "positional": lambda: model(IDS, MASK),
            "keyword": lambda: model(IDS, attention_mask=MASK),
            "absent": lambda: model(IDS),
        }[name]()
    assert bool((seen[0][MASK == 0] == 0).all()) == (name != "absent")


def test_a_forward_pass_that_raises_leaves_no_rows_behind() -> None:
    model = tiny_bert()
    swapper, recipe = ModuleSwapper(model), full_recipe(model)
    swapper.apply(recipe)
    unmasked = {"attention_mask": torch.ones_like(MASK)}
    expected = logits(model, **unmasked)
    swapper.apply(skipping(recipe))
    with pytest.raises(IndexError):
        logits(model, input_ids=IDS + 1000)
    assert torch.equal(logits(model, **unmasked), expected)


def test_each_thread_has_its_own_batch() -> None:
    model = tiny_bert()
    ModuleSwapper(model).apply(skipping(full_recipe(model)))
    batches = [{"input_ids": IDS[[row]], "attention_mask": MASK[[row]]} for row in (0, 1)]
    expected = [logits(model, **batch) for batch in batches]
    wrong: list[int] = []

    def work(number: int) -> None:
        results = [logits(model, **batches[number]) for _ in range(30)]
        wrong.extend(number for result in results if not torch.equal(result, expected[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_restore_takes_the_hooks_away() -> None:
    model = tiny_bert()
    swapper = ModuleSwapper(model)
    swapper.apply(skipping(full_recipe(model)))
    swapper.restore()
    assert not model._forward_pre_hooks
    assert not model._forward_hooks
