"""What a model does not let be int8 or bfloat16 stays float, and everything else does not suffer for it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from helpers.tiny import config, tiny_bert, tiny_trainer
from torch import Tensor, nn
from transformers import BertForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutput

from nc_trainer import QuantizationTrainer
from nc_trainer.config.recipe import Recipe
from nc_trainer.errors import QuantizationError
from nc_trainer.int8.proof import proven, without_refused
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

ROWS = {"input_ids": torch.tensor([[5, 6, 7, 8, 9, 10, 11, 12, 2]])}
NAMES = ("a", "b", "c", "d", "head")


class ReadsWeights(nn.Module):
    """Five linear layers. It multiplies with the weights of those in `read` itself, and calls the others."""

    def __init__(self, read: Sequence[str]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(20, 8)
        self.a, self.b, self.c, self.d = (nn.Linear(8, 8) for _ in "abcd")
        self.head = nn.Linear(8, 3)
        self.read = read

    def forward(self, input_ids: Tensor) -> tuple[Tensor]:
        x = self.embed(input_ids)
        for name in NAMES:
            layer = self.get_submodule(name)
            x = x @ layer.weight.T if name in self.read else layer(x)
        return (x.mean(1),)


class OneDtypeOnly(nn.Module):
    """An embedding and a head, between which a constant in float32 is multiplied with what has the model's dtype."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head = nn.Embedding(20, 8), nn.Linear(8, 3)

    def forward(self, input_ids: Tensor) -> tuple[Tensor]:
        return (self.head(self.embed(input_ids) @ torch.eye(8)).mean(1),)


class BertThatReadsItsPooler(BertForSequenceClassification):
    """Adds what the weight of its pooler says to the logits, as some models do with a layer that they hold."""

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None
    ) -> SequenceClassifierOutput:
        output = super().forward(input_ids, attention_mask, labels=labels)
        output.logits = output.logits + self.bert.pooler.dense.weight.mean()
        return output


def without(model: nn.Module, rows: dict[str, Tensor] = ROWS) -> tuple[Recipe, tuple[str, ...]]:
    return without_refused(ModuleSwapper(model), full_recipe(model), rows)


@pytest.mark.parametrize("read", [(), ("a",), ("head",), ("b", "c"), ("a", "c", "d", "head")])
def test_what_the_model_reads_itself_is_not_in_the_recipe(read: Sequence[str]) -> None:
    recipe, _ = without(ReadsWeights(read).eval())
    assert tuple(recipe.modules) == tuple(name for name in NAMES if name not in read)
    assert recipe.quantized == tuple(recipe.modules)


@pytest.mark.parametrize(
    ("read", "note"),
    [
        ((), ()),
        (("b",), ("1 layer stays in float, because the model reads its weight itself: b.",)),
        (("a", "c"), ("2 layers stay in float, because the model reads their weights itself: a, c.",)),
        (
            ("a", "b", "c", "d"),
            ("4 layers stay in float, because the model reads their weights itself: a, b, c, ...",),
        ),
    ],
)
def test_a_note_names_them(read: Sequence[str], note: tuple[str, ...]) -> None:
    assert without(ReadsWeights(read).eval())[1] == note


def test_a_model_that_reads_all_of_them_is_an_error() -> None:
    with pytest.raises(QuantizationError, match="ReadsWeights reads the weight of every layer"):
        without(ReadsWeights(NAMES).eval())


def test_rows_that_the_float_model_does_not_take_say_nothing_of_its_layers() -> None:
    model = ReadsWeights(()).eval()
    assert without(model, {"input_ids": torch.tensor([[99]])}) == (full_recipe(model), ())


@pytest.mark.parametrize("read", [(), ("b",), NAMES])
def test_the_model_is_left_in_float(read: Sequence[str]) -> None:
    model = ReadsWeights(read).eval()
    before = dict(model.named_modules())
    try:
        without(model)
    except QuantizationError:
        assert read == NAMES
    after = dict(model.named_modules())
    assert before.keys() == after.keys()
    assert all(after[name] is module for name, module in before.items())


def test_a_search_quantizes_the_rest(tmp_path: Path) -> None:
    model = BertThatReadsItsPooler(tiny_bert().config).eval()
    model.load_state_dict(tiny_bert().state_dict())
    trainer: QuantizationTrainer = tiny_trainer(tmp_path, model)
    result = trainer.quantize(config())
    assert "bert.pooler.dense" not in result.chosen.recipe.modules
    assert len(result.chosen.recipe.quantized) == 13
    assert any("bert.pooler.dense" in note for note in result.notes)


def test_what_does_not_compute_in_bfloat16_stays_float32_and_a_note_says_so() -> None:
    model = OneDtypeOnly().eval()
    swapper = ModuleSwapper(model)
    proof = proven(swapper, full_recipe(model).with_rest_in("bfloat16"), ROWS)
    assert proof.recipe.float_dtype == "float32"
    assert proof.recipe.quantized == ("head",)
    assert proof.notes == ("The rest computes in float32: the model does not compute in bfloat16.",)
    swapper.apply(proof.recipe)
    assert model(**ROWS)[0].isfinite().all()


def test_what_computes_in_bfloat16_does() -> None:
    model = ReadsWeights(()).eval()
    proof = proven(ModuleSwapper(model), full_recipe(model).with_rest_in("bfloat16"), ROWS)
    assert proof.recipe.float_dtype == "bfloat16"
