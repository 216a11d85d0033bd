"""From text to model inputs."""

import logging
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Value
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, PreTrainedTokenizerFast

from nc_trainer import NCTrainerError
from nc_trainer.text_data.preprocessing import ensure_pad_token, tokenize, usable_length

WORDS = ["<pad>", "<unk>", "<eos>", "a", "b", "c"]


def tokenizer(**kwargs: Any) -> PreTrainedTokenizerFast:
    model = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    model.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=model, **kwargs)


def dataset(label: int = 1) -> Dataset:
    features = Features({"text": Value("string"), "other": Value("string"), "label": ClassLabel(names=["n", "p"])})
    return Dataset.from_dict({"text": ["a b c"], "other": ["c"], "label": [label]}, features=features)


def test_rows_are_padded_to_the_maximum_length() -> None:
    row = tokenize(dataset(), tokenizer(pad_token="<pad>"), ["text"], max_length=5)[0]
    assert row["input_ids"] == [3, 4, 5, 0, 0]
    assert row["attention_mask"] == [1, 1, 1, 0, 0]


def test_rows_keep_their_length_when_batches_are_padded_later() -> None:
    row = tokenize(dataset(), tokenizer(pad_token="<pad>"), ["text"], max_length=5, pad_to_max_length=False)[0]
    assert row["input_ids"] == [3, 4, 5]


def test_pairs_are_joined_and_cut() -> None:
    row = tokenize(dataset(), tokenizer(pad_token="<pad>"), ["text", "other"], max_length=3)[0]
    assert row["input_ids"] == [3, 4, 5]


@pytest.mark.parametrize(
    ("label", "ids", "expected"),
    [
        pytest.param(1, [0, 1], 1, id="same ids"),
        pytest.param(1, [2, 0], 0, id="the model's ids"),
        pytest.param(0, [2, 0], 2, id="an id beyond the data's"),
        pytest.param(-1, [1, 0], -1, id="unlabelled"),
        pytest.param(1, None, 1, id="left alone"),
    ],
)
def test_labels_become_the_ids_of_the_model(label: int, ids: list[int] | None, expected: int) -> None:
    encoded = tokenize(dataset(label), tokenizer(pad_token="<pad>"), ["text"], 4, label_ids=ids)
    assert encoded[0]["label"] == expected


@pytest.mark.parametrize(
    ("special", "expected"),
    [
        pytest.param({"pad_token": "<pad>", "eos_token": "<eos>"}, 0, id="has one"),
        pytest.param({"eos_token": "<eos>", "unk_token": "<unk>"}, 2, id="end of text, as for gpt2"),
        pytest.param({"unk_token": "<unk>"}, 1, id="unknown, as for ctrl"),
    ],
)
def test_there_is_a_padding_token(special: dict[str, str], expected: int) -> None:
    config = BertConfig(pad_token_id=None)
    ensure_pad_token(tokenizer(**special), config)
    assert config.pad_token_id == expected


def test_no_token_to_pad_with_is_an_error() -> None:
    with pytest.raises(NCTrainerError, match="has no padding token"):
        ensure_pad_token(tokenizer(), BertConfig())


def test_the_length_is_capped_by_the_model_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert usable_length(tokenizer(model_max_length=16), 128) == 16
    assert "max_seq_length (128)" in caplog.text
    assert usable_length(tokenizer(model_max_length=16), 8) == 8
