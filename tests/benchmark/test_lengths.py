import pytest
import torch
from torch import Tensor
from transformers import BartConfig, BertConfig

from nc_trainer.benchmark import BenchmarkOptions
from nc_trainer.benchmark.lengths import pad_batches, random_batches, with_lengths
from nc_trainer.errors import NCTrainerError

BERT = BertConfig(vocab_size=20, pad_token_id=7, max_position_embeddings=16)


@pytest.fixture
def batches() -> list[dict[str, Tensor]]:
    ids = torch.tensor([[3, 4, 5], [6, 2, 7]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    return [
        {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.ones_like(ids), "other": torch.zeros(2)}
    ]


def test_padding_on_the_right(batches: list[dict[str, Tensor]]) -> None:
    (padded,) = pad_batches(batches, 5, pad_token_id=7)
    assert padded["input_ids"].tolist() == [[3, 4, 5, 7, 7], [6, 2, 7, 7, 7]]
    assert padded["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]
    assert padded["token_type_ids"].tolist() == [[1, 1, 1, 0, 0]] * 2
    assert torch.equal(padded["other"], torch.zeros(2))


def test_padding_on_the_left(batches: list[dict[str, Tensor]]) -> None:
    (padded,) = pad_batches(batches, 4, pad_token_id=0, side="left")
    assert padded["input_ids"].tolist() == [[0, 3, 4, 5], [0, 6, 2, 7]]
    assert padded["attention_mask"].tolist() == [[0, 1, 1, 1], [0, 1, 1, 0]]


def test_padding_adds_a_mask_where_there_was_none(batches: list[dict[str, Tensor]]) -> None:
    (padded,) = pad_batches([{"input_ids": batches[0]["input_ids"]}], 4, pad_token_id=7)
    assert padded["attention_mask"].tolist() == [[1, 1, 1, 0]] * 2


def test_random_tokens_are_not_special_and_the_same_every_time(batches: list[dict[str, Tensor]]) -> None:
    (made,) = random_batches(batches, 12, BERT)
    assert made["input_ids"].shape == (2, 12)
    assert 7 not in made["input_ids"]
    assert bool(made["attention_mask"].all())
    assert made["token_type_ids"].tolist() == [[0] * 12] * 2
    assert torch.equal(made["input_ids"], random_batches(batches, 12, BERT)[0]["input_ids"])


def test_rows_end_with_the_end_of_sequence_where_there_is_one(batches: list[dict[str, Tensor]]) -> None:
    config = BartConfig(vocab_size=20, eos_token_id=2)
    (made,) = random_batches(batches, 12, config)
    assert (made["input_ids"] == 2).sum(dim=1).tolist() == [1, 1]
    assert made["input_ids"][:, -1].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("options", "length", "lengths"),
    [
        pytest.param(BenchmarkOptions(), 3, "as collated", id="as they are"),
        pytest.param(BenchmarkOptions(pad_to=6), 6, "padded", id="padded"),
        pytest.param(BenchmarkOptions(fixed_length=9), 9, "random tokens", id="random"),
    ],
)
def test_the_options_choose(
    options: BenchmarkOptions, length: int, lengths: str, batches: list[dict[str, Tensor]]
) -> None:
    made, what = with_lengths(batches, options, BERT)
    assert (made[0]["input_ids"].shape, what) == ((2, length), lengths)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(BenchmarkOptions(pad_to=2), "3 tokens long and cannot be padded to 2", id="too short"),
        pytest.param(BenchmarkOptions(pad_to=17), "takes 16 tokens at most, not 17", id="longer than the model takes"),
        pytest.param(BenchmarkOptions(fixed_length=17), "takes 16 tokens at most, not 17", id="random, too long"),
    ],
)
def test_lengths_that_are_not_possible(
    options: BenchmarkOptions, message: str, batches: list[dict[str, Tensor]]
) -> None:
    with pytest.raises(NCTrainerError, match=message):
        with_lengths(batches, options, BERT)


def test_only_text_has_a_length() -> None:
    with pytest.raises(NCTrainerError, match="input_ids"):
        with_lengths([{"pixels": torch.zeros(2, 3)}], BenchmarkOptions(fixed_length=4), BERT)
