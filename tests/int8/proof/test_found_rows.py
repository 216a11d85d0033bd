"""Of which layers only some rows are read: found in each family that has such layers, and in no other."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.architectures import HEADS, SMALL, small
from helpers.logits import logits
from helpers.tiny import tiny_bert
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    PreTrainedModel,
    set_seed,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from nc_trainer.config.recipe import Recipe
from nc_trainer.int8.proof import proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

PAD, END = 1, 2
IDS = torch.randint(5, 40, (2, 12), generator=torch.Generator().manual_seed(0))
IDS[0, -1] = IDS[1, 8] = END
IDS[1, 9:] = PAD
ROWS = {"input_ids": IDS, "attention_mask": (IDS != PAD).long()}

FIRST = {
    "bert": ("attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense"),
    "roberta": ("attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense"),
    "electra": ("attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense"),
    "distilbert": ("attention.q_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2"),
}
LAST = {
    "gpt2": ("transformer.h.1.attn.c_proj", "transformer.h.1.mlp.c_fc", "transformer.h.1.mlp.c_proj", "score"),
    "qwen2": (
        "model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.o_proj", "model.layers.1.mlp.gate_proj",
        "model.layers.1.mlp.up_proj", "model.layers.1.mlp.down_proj", "score",
    ),
}  # fmt: skip


def built(name: str) -> PreTrainedModel:
    if name in ("bart", "mbart"):
        return small(name, eos_token_id=END)
    if name in ("electra", "qwen2"):
        set_seed(0)
        config = AutoConfig.for_model(name, **(SMALL | HEADS | {"num_key_value_heads": 2}))
        return AutoModelForSequenceClassification.from_config(config).eval()
    return small(name)


def recipe_of(model: nn.Module) -> Recipe:
    return proven(ModuleSwapper(model), full_recipe(model), ROWS).recipe


def any_batches() -> list[dict[str, Tensor]]:
    """With the padding token and the last one anywhere, without a mask and with masks of all kinds."""
    generator, batches = torch.Generator().manual_seed(1), []
    for shape in ((1, 1), (1, 7), (3, 5), (4, 16), (2, 33)):
        ids = torch.randint(0, 6, shape, generator=generator)
        mask = torch.randint(0, 2, shape, generator=generator)
        mask[:, 0] = 1
        masks = (torch.ones_like(ids), mask, mask.sort(1).values, mask.sort(1, descending=True).values)
        batches += [{"input_ids": ids}, *({"input_ids": ids, "attention_mask": one} for one in masks)]
    return batches


@pytest.mark.parametrize("name", FIRST)
def test_an_encoder_reads_the_first_token_of_its_last_layer(name: str) -> None:
    found = recipe_of(built(name)).read_rows
    assert {key.partition(".layer.1.")[2]: value for key, value in found.items()} == dict.fromkeys(
        FIRST[name], "first"
    )


@pytest.mark.parametrize("name", LAST)
def test_a_decoder_reads_the_last_token_of_its_last_layer(name: str) -> None:
    assert dict(recipe_of(built(name)).read_rows) == dict.fromkeys(LAST[name], "last")


@pytest.mark.parametrize("name", ["albert", "bart", "mbart", "funnel", "xlnet"])
def test_where_a_layer_runs_again_or_a_token_is_looked_for_all_rows_are_computed(name: str) -> None:
    assert dict(recipe_of(built(name)).read_rows) == {}


@pytest.mark.parametrize("name", ["bert", "distilbert", "electra", "gpt2", "qwen2"])
@pytest.mark.parametrize("float_dtype", ["float32", "bfloat16"])
def test_no_bit_of_the_logits_changes_for_any_tokens_and_mask(name: str, float_dtype: str) -> None:
    model = built(name)
    swapper = ModuleSwapper(model)
    recipe = proven(swapper, full_recipe(model).with_rest_in(float_dtype), ROWS).recipe
    assert recipe.read_rows
    swapper.apply(replace(recipe, read_rows={}))
    expected = [logits(model, **batch) for batch in any_batches()]
    swapper.apply(recipe)
    for batch, answer in zip(any_batches(), expected, strict=True):
        assert torch.equal(logits(model, **batch), answer)


class Pooled(nn.Module):
    """BERT with a head that does something else with the last layer."""

    def __init__(self, head: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.bert, self.head = tiny_bert().bert, head
        self.config = self.bert.config

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> SequenceClassifierOutput:
        """Logits [rows, hidden]."""
        hidden = self.bert(input_ids, attention_mask=attention_mask).last_hidden_state
        return SequenceClassifierOutput(logits=self.head(hidden, input_ids))


@pytest.mark.parametrize(
    "head",
    [
        lambda hidden, ids: hidden.mean(1),
        lambda hidden, ids: hidden.amax(1),
        lambda hidden, ids: hidden[:, 0] + 1e-9 * hidden[:, 3],
        lambda hidden, ids: hidden[:, 1],
        lambda hidden, ids: hidden[torch.arange(len(ids)), (ids == END).long().argmax(1)],
        lambda hidden, ids: hidden[torch.arange(len(ids)), ids.argmax(1)],
        lambda hidden, ids: hidden.flip(1)[:, 0] + hidden[:, -2],
    ],
)
def test_a_head_that_reads_other_rows_gets_them(head: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert dict(recipe_of(Pooled(head).eval()).read_rows) == {}


class WithHiddenLoss(BertForSequenceClassification):
    """Its loss is of all rows of the last layer, its logits of the first."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Any = None) -> Any:
        """As in BERT."""
        hidden = self.bert(input_ids, attention_mask=attention_mask)
        loss = hidden.last_hidden_state.square().mean() if labels is not None else None
        return SequenceClassifierOutput(loss=loss, logits=self.classifier(hidden.pooler_output))


def test_a_loss_of_all_rows_counts() -> None:
    model = WithHiddenLoss(tiny_bert().config).eval()
    assert dict(recipe_of(model).read_rows) == {}


@pytest.mark.parametrize("problem", [None, "multi_label_classification", "regression"])
def test_any_kind_of_labels_will_do_and_the_config_stays_as_it_is(problem: str | None) -> None:
    model = tiny_bert(num_labels=1 if problem == "regression" else 3, problem_type=problem)
    assert len(recipe_of(model).read_rows) == 4
    assert model.config.problem_type == problem


@pytest.mark.filterwarnings("error:Using a target size")
def test_several_numbers_for_each_row_are_given_as_labels() -> None:
    assert len(recipe_of(tiny_bert(num_labels=3, problem_type="regression")).read_rows) == 4


def test_frozen_weights_are_no_hindrance() -> None:
    model = tiny_bert().requires_grad_(False)
    assert len(recipe_of(model).read_rows) == 4
    assert all(parameter.grad is None for parameter in model.parameters())
