"""The demo's data set: customer messages with one of six intents, generated from a grammar.

The messages are made up. They exist so that the demo needs no download; a model's accuracy on them
says nothing about its accuracy on your data. What makes them less than trivial, and where the
unavoidable errors come from:

- *distractors* and *negation*: another intent is named, as settled or as not meant;
- *priority*: two complaints in one message, the one to treat first decides the label;
- *ambiguous* messages (`AMBIGUOUS_SHARE`), whose label is one of two at random;
- *typos*: two neighbouring letters swapped in `TYPO_SHARE` of the messages;
- *label noise*: `LABEL_NOISE` of the rows, training and evaluation alike, carry a wrong label.
"""

from __future__ import annotations

import csv
import io
import os
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nc_trainer.cli.demo import grammar
from nc_trainer.hub.files import write_text_atomically

TRAIN_ROWS = 6000
DEV_ROWS = 1000
AMBIGUOUS_SHARE = 0.08
TYPO_SHARE = 0.10
LABEL_NOISE = 0.03


@dataclass(frozen=True)
class Message:
    """One row: the text and the name of its intent (one of `grammar.INTENTS`)."""

    text: str
    intent: str


def generate(
    train_rows: int = TRAIN_ROWS, dev_rows: int = DEV_ROWS, *, seed: int = 0, label_noise: float = LABEL_NOISE
) -> tuple[list[Message], list[Message]]:
    """Training and evaluation messages; every text occurs once, in one of the two.

    The same arguments give the same messages. `label_noise` changes labels only: the texts, and the
    labels before noise, depend on the seed alone.
    """
    rng = random.Random(f"{seed}-messages")
    messages: dict[str, Message] = {}
    while len(messages) < train_rows + dev_rows:
        message = _message(rng)
        messages.setdefault(message.text, message)
    noise = random.Random(f"{seed}-noise")
    rows = [_with_noise(noise, message, label_noise) for message in messages.values()]
    return rows[:train_rows], rows[train_rows:]


def write_csv(path: str | os.PathLike[str], messages: Sequence[Message]) -> None:
    """Write the columns `sentence` and `label` (the intent's name) as CSV with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["sentence", "label"])
    writer.writerows([message.text, message.intent] for message in messages)
    write_text_atomically(path, buffer.getvalue())


def _message(rng: random.Random) -> Message:
    if rng.random() < AMBIGUOUS_SHARE:
        pair = rng.choice(list(grammar.AMBIGUOUS))
        intent, body = rng.choice(pair), rng.choice(grammar.AMBIGUOUS[pair])
    else:
        intent, other = rng.sample(grammar.INTENTS, 2)
        body = _framed(rng, intent, other)
    text = rng.choice(grammar.OPENINGS) + _expand(rng, body, grammar.SLOTS) + rng.choice(grammar.CLOSINGS)
    return Message(_with_typo(rng, text) if rng.random() < TYPO_SHARE else text, intent)


def _framed(rng: random.Random, intent: str, other: str) -> str:
    frame = rng.choice(grammar.FRAMES[rng.choice(list(grammar.FRAMES))])
    phrases = {
        "core": grammar.CORES[intent],
        "other": grammar.CORES[other],
        "topic": grammar.TOPICS[other],
        "satisfied": grammar.SATISFIED[other],
    }
    return re.sub(r"\{(core|other|topic|satisfied)\}", lambda slot: rng.choice(phrases[slot[1]]), frame)


def _expand(rng: random.Random, text: str, slots: dict[str, tuple[str, ...]]) -> str:
    while "{" in text:
        text = re.sub(r"\{(\w+)\}", lambda slot: rng.choice(slots[slot[1]]), text)
    return text


def _with_typo(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _with_noise(rng: random.Random, message: Message, share: float) -> Message:
    wrong = rng.choice([intent for intent in grammar.INTENTS if intent != message.intent])
    return Message(message.text, wrong) if rng.random() < share else message
