"""Small question answering data in SQuAD's official format."""

import json
from pathlib import Path
from typing import Any

PLACES = ["paris", "rome", "oslo", "lima", "cairo", "delhi"]
NAMES = ["anna", "boris", "clara", "denis", "elena", "frank"]
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "where",
    "does",
    "live",
    "?",
    "lives",
    "in",
    ".",
    "who",
    "works",
]
VOCABULARY = [*WORDS, *PLACES, *NAMES]


def articles(version_2: bool = False) -> list[dict[str, Any]]:
    """One paragraph for each name: two sentences, and who lives where; in version 2 half ask for someone else."""
    paragraphs = []
    for number, name in enumerate(NAMES):
        place, other = PLACES[number], NAMES[(number + 1) % len(NAMES)]
        context = f"{other} works in {PLACES[number - 1]} . {name} lives in {place} ."
        impossible = version_2 and number % 2 == 1
        answer = {"text": place, "answer_start": context.index(f"{place} .", context.index(name))}
        question: dict[str, Any] = {
            "id": f"q{number}",
            "question": f"Where does {PLACES[number] if impossible else name} live ?",
            "answers": [] if impossible else [answer, answer],
        }
        paragraphs.append(
            {"context": context, "qas": [question | ({"is_impossible": impossible} if version_2 else {})]}
        )
    return [{"title": "People", "paragraphs": paragraphs[:3]}, {"title": "More", "paragraphs": paragraphs[3:]}]


def write_squad(path: Path, version_2: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "v2.0" if version_2 else "1.1", "data": articles(version_2)}))
    return path
