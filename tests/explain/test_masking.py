"""What can be hidden of a row, for one text and for pairs, and what the row looks like then."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from helpers.shapley_reference import bert_game
from helpers.tiny import tiny_bert, tiny_tokenizer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import PreTrainedTokenizerFast

from nc_trainer.errors import NCTrainerError
from nc_trainer.explain import Game, TokenMasker, predicted_output

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "film", "a", "bad", "plot"]
PAD, UNK, CLS, SEP, MASK, GOOD, FILM, A, BAD, PLOT = range(10)


def pair_tokenizer(**roles: str) -> PreTrainedTokenizerFast:
    """`[CLS] a [SEP] b [SEP]`, with token types."""
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", CLS), ("[SEP]", SEP)]
    )
    tokens = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **(tokens | {"mask_token": "[MASK]"} | roles))


def encoded(*texts: str, **options: object) -> dict[str, torch.Tensor]:
    return dict(pair_tokenizer()(*texts, return_tensors="pt", return_token_type_ids=True, **options))


def shown(row_ids: torch.Tensor) -> list[list[int]]:
    return row_ids.tolist()


def test_special_tokens_and_token_types_stay_and_unknown_words_can_be_hidden() -> None:
    row = TokenMasker(pair_tokenizer())(encoded("a marvellous film", "bad plot"), 100)
    assert row.names == ("a", "[UNK]", "film", "bad", "plot")
    assert row.players == ((1,), (2,), (3,), (5,), (6,))
    inputs = row.show(np.array([[0] * 5, [1] * 5, [0, 1, 0, 0, 1]], dtype=bool))
    assert shown(inputs["input_ids"]) == [
        [CLS, MASK, MASK, MASK, SEP, MASK, MASK, SEP],
        [CLS, A, UNK, FILM, SEP, BAD, PLOT, SEP],
        [CLS, MASK, UNK, MASK, SEP, MASK, PLOT, SEP],
    ]
    assert shown(inputs["token_type_ids"]) == [[0] * 5 + [1] * 3] * 3
    assert shown(inputs["attention_mask"]) == [[1] * 8] * 3


@pytest.mark.parametrize(("text", "names"), [(0, ("a", "film")), (1, ("bad", "plot"))])
def test_one_text_of_a_pair(text: int, names: Sequence[str]) -> None:
    row = TokenMasker(pair_tokenizer(), text)(encoded("a film", "bad plot"), 100)
    assert row.names == names
    hidden = row.show(np.zeros((1, 2), dtype=bool))["input_ids"][0].tolist()
    assert hidden.count(MASK) == 2
    assert hidden[1 if text else 4] in (A, BAD)


def test_texts_that_nothing_separates_cannot_be_told_apart() -> None:
    with pytest.raises(NCTrainerError, match=r"`tuning\.shapley\.column`: a row has 1 text\(s\)"):
        TokenMasker(pair_tokenizer(), 1)(encoded("a film"), 100)


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_is_no_player_and_trailing_padding_is_cut(side: str) -> None:
    tokenizer = pair_tokenizer(padding_side=side)
    inputs = dict(tokenizer("a film", return_tensors="pt", padding="max_length", max_length=9))
    row = TokenMasker(tokenizer)(inputs, 100)
    assert row.names == ("a", "film")
    assert row.inputs["input_ids"].shape == (1, 4 if side == "right" else 9)
    assert row.inputs["attention_mask"].sum() == 4


def test_long_rows_are_explained_by_runs_of_neighbouring_tokens() -> None:
    row = TokenMasker(pair_tokenizer())(encoded("a good film", "bad plot"), 2)
    assert row.players == ((1, 2, 3), (5, 6))
    assert row.names == ("a good film", "bad plot")
    assert shown(row.show(np.array([[False, True]]))["input_ids"]) == [[CLS, MASK, MASK, MASK, SEP, BAD, PLOT, SEP]]


@pytest.mark.parametrize(
    ("missing", "substitute"), [((), MASK), (("mask_token",), UNK), (("mask_token", "unk_token"), PAD)]
)
def test_what_stands_for_a_hidden_token(missing: Sequence[str], substitute: int) -> None:
    tokenizer = pair_tokenizer()
    for role in missing:
        setattr(tokenizer, role, None)
    assert TokenMasker(tokenizer).substitute == substitute


def test_rows_without_token_ids_are_refused() -> None:
    with pytest.raises(NCTrainerError, match="the rows have inputs_embeds, expected `input_ids`"):
        TokenMasker(tiny_tokenizer())({"inputs_embeds": torch.zeros(1, 2, 3)}, 10)


def test_a_game_is_the_predicted_classs_logit_and_computes_a_coalition_once() -> None:
    model = tiny_bert()
    game = bert_game([3, 1, 4], model)
    both = np.array([[1, 1, 1], [0, 1, 0], [1, 1, 1]])
    values = game(both)
    with torch.no_grad():
        whole = model(torch.tensor([[3, 1, 4]])).logits[0]
        hidden = model(torch.tensor([[0, 1, 0]])).logits[0]
    assert game.output == int(whole.argmax())
    np.testing.assert_allclose(values, [whole[game.output], hidden[game.output], whole[game.output]], atol=1e-6)
    assert game.passes == 2
    game(both)
    assert game.passes == 2


def test_a_model_without_an_answer_for_each_row_is_refused() -> None:
    class Tagger(nn.Module):
        def forward(self, input_ids: torch.Tensor) -> object:
            return type("Output", (), {"logits": torch.zeros(*input_ids.shape, 2)})()

    row = TokenMasker(tiny_tokenizer())({"input_ids": torch.tensor([[1, 2]])}, 10)
    with pytest.raises(NCTrainerError, match=r"`logits` \[rows, classes\].*found a Tagger"):
        predicted_output(Tagger(), row)
    assert Game(tiny_bert(), row, 0).passes == 0
