"""Exact match and F1 of answers, in percent, as the official SQuAD scripts compute them.

Source: Rajpurkar et al., "SQuAD: 100,000+ questions for machine comprehension of text" (2016), section 6.1, and "Know
what you don't know: unanswerable questions for SQuAD" (2018).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence

Golds = Sequence[str]


def normalized(answer: str) -> str:
    """Lower case, without punctuation and articles, and with single blanks."""
    lower = "".join(letter for letter in answer.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", lower).split())


def exact_match(predicted: str, gold: str) -> float:
    """1 if the answers are the same once normalized, else 0."""
    return float(normalized(predicted) == normalized(gold))


def f1(predicted: str, gold: str, unanswerable: bool = False) -> float:
    """Harmonic mean of precision and recall of words.

    Of two answers of which no word remains the official scripts say 0 in version 1, and 1 in version 2
    (`unanswerable`).
    """
    found, expected = normalized(predicted).split(), normalized(gold).split()
    if not found or not expected:
        return float(unanswerable and found == expected)
    common = sum((Counter(found) & Counter(expected)).values())
    return 2 * common / (len(found) + len(expected))


def squad_metrics(predicted: Mapping[str, str], golds: Mapping[str, Golds], unanswerable: bool) -> dict[str, float]:
    """Means over all questions, in percent; the best of a question's gold answers counts.

    Args:
        predicted: the answer to each question, by its id. A question that is missing is wrong.
        golds: the right answers by the question's id; empty where a question has no answer.
        unanswerable: whether questions may have no answer (version 2), which "" then is the answer to.

    Returns:
        `exact_match` and `f1`; in version 2 also those of questions with and without an answer, as `HasAns_f1`,
        `NoAns_f1` and so on, where there are such questions.
    """
    scores = {
        key: _best(predicted.get(key), _golds_of(found, unanswerable), unanswerable) for key, found in golds.items()
    }
    metrics = _means("", scores, list(golds))
    if unanswerable:
        metrics |= _means("HasAns_", scores, [key for key in golds if golds[key]])
        metrics |= _means("NoAns_", scores, [key for key in golds if not golds[key]])
    return metrics


def _golds_of(golds: Golds, unanswerable: bool) -> list[str]:
    """Version 2 leaves out answers of which nothing remains, and stands "" for none; version 1 keeps all."""
    if not unanswerable:
        return list(golds)
    return [gold for gold in golds if normalized(gold)] or [""]


def _best(predicted: str | None, golds: Sequence[str], unanswerable: bool) -> tuple[float, float]:
    """Exact match and F1, each with the gold answer that is best for it."""
    if predicted is None:
        return 0.0, 0.0
    exact = max((exact_match(predicted, gold) for gold in golds), default=0.0)
    return exact, max((f1(predicted, gold, unanswerable) for gold in golds), default=0.0)


def _means(prefix: str, scores: Mapping[str, tuple[float, float]], keys: Sequence[str]) -> dict[str, float]:
    if not keys:
        return {}
    exact, overlap = (100 * sum(scores[key][which] for key in keys) / len(keys) for which in (0, 1))
    return {f"{prefix}exact_match": exact, f"{prefix}f1": overlap}
