from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase, set_seed

from nc_trainer.cli.demo import grammar
from nc_trainer.cli.demo.generate import Message, generate
from nc_trainer.cli.demo.train import MAX_TOKENS, Size, build_model, build_tokenizer, encode, train, vocabulary

pytestmark = pytest.mark.slow

TINY = Size(layers=1, hidden=16, heads=2, intermediate=32, epochs=1)


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return generate(300, 0)[0]


@pytest.fixture(scope="module")
def tokenizer(messages: list[Message]) -> PreTrainedTokenizerBase:
    return build_tokenizer([message.text for message in messages])


def test_vocabulary_holds_special_tokens_first_then_characters_and_repeated_words() -> None:
    assert vocabulary(["ab a", "ab b!"]) == [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "!", "a", "b", "##!", "##a", "##b", "ab",
    ]  # fmt: skip


def test_decoding_gives_the_text_back(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> None:
    for message in messages:
        ids = tokenizer(message.text)["input_ids"]
        assert _words(tokenizer.decode(ids, skip_special_tokens=True)) == _words(message.text)


def test_a_word_never_seen_is_spelt_out(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.tokenize("Klettle") == ["k", "##l", "##e", "##t", "##t", "##l", "##e"]


def test_a_saved_tokenizer_encodes_as_before(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "hello, where is order 10482?"
    assert (tmp_path / "tokenizer.json").exists()
    assert dict(loaded(text)) == dict(tokenizer(text))


def test_long_messages_are_truncated_to_what_the_model_takes(tokenizer: PreTrainedTokenizerBase) -> None:
    dataset = encode([Message("hello " * 200, "account")], tokenizer)
    assert len(dataset[0]["input_ids"]) == MAX_TOKENS


def test_labels_are_indices_into_the_intents(tokenizer: PreTrainedTokenizerBase) -> None:
    dataset = encode([Message("x", intent) for intent in grammar.INTENTS], tokenizer)
    assert list(dataset["label"]) == list(range(len(grammar.INTENTS)))


def test_training_writes_a_directory_that_loads_as_the_trained_model(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tmp_path: Path
) -> None:
    set_seed(0)
    model = build_model(TINY, tokenizer)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, tokenizer, encode(messages, tokenizer), tmp_path, TINY.epochs)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert loaded.config.id2label == dict(enumerate(grammar.INTENTS))
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    assert not torch.equal(before["classifier.weight"], model.state_dict()["classifier.weight"])


def _words(text: str) -> str:
    """Without spaces, which decoding puts round punctuation in its own way."""
    return text.replace(" ", "")
