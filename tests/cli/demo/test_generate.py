import csv
from collections import Counter
from pathlib import Path

import pytest

from nc_trainer.cli.demo import grammar
from nc_trainer.cli.demo.generate import LABEL_NOISE, Message, generate, write_csv


def test_the_same_seed_gives_the_same_messages() -> None:
    assert generate(200, 50, seed=3) == generate(200, 50, seed=3)


def test_another_seed_gives_other_messages() -> None:
    assert generate(200, 50, seed=3) != generate(200, 50, seed=4)


def test_sizes_are_as_asked() -> None:
    train, dev = generate(123, 45)
    assert (len(train), len(dev)) == (123, 45)


def test_no_text_occurs_twice_within_or_across_the_two_sets() -> None:
    train, dev = generate(3000, 500)
    texts = Counter(message.text for message in train + dev)
    assert texts.most_common(1)[0][1] == 1


@pytest.mark.parametrize("part", [0, 1], ids=["train", "dev"])
def test_every_intent_occurs_in_each_set_about_equally_often(part: int) -> None:
    messages = generate(1200, 1200)[part]
    counts = Counter(message.intent for message in messages)
    assert set(counts) == set(grammar.INTENTS)
    assert all(140 < count < 260 for count in counts.values())


@pytest.mark.parametrize("part", [0, 1], ids=["train", "dev"])
def test_the_documented_share_of_labels_is_wrong_and_nothing_else_changes(part: int) -> None:
    noisy, clean = generate(4000, 4000)[part], generate(4000, 4000, label_noise=0)[part]
    assert [message.text for message in noisy] == [message.text for message in clean]
    wrong = sum(a.intent != b.intent for a, b in zip(noisy, clean, strict=True))
    assert wrong / len(clean) == pytest.approx(LABEL_NOISE, abs=0.01)


def test_no_slot_is_left_unfilled() -> None:
    train, dev = generate(3000, 500)
    assert not [message.text for message in train + dev if "{" in message.text or "}" in message.text]


def test_csv_has_a_header_and_survives_commas_and_quotes(tmp_path: Path) -> None:
    write_csv(tmp_path / "data.csv", [Message('hello, the "kettle"', "returns"), Message("where is it", "delivery")])
    with open(tmp_path / "data.csv", encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"sentence": 'hello, the "kettle"', "label": "returns"},
            {"sentence": "where is it", "label": "delivery"},
        ]
