"""Exact match and F1, against values worked out by hand and the words of the official scripts."""

import re
import string
from collections import Counter

import pytest
from _shared.squad.squad_metrics import exact_match, f1, normalized, squad_metrics
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Cat, a dog!", "cat dog"),
        ("an apple\ta\nday", "apple day"),
        ("theatre", "theatre"),
        ("a-team", "ateam"),
        ("U.S.A.", "usa"),
        ("“quoted”", "“quoted”"),
        ("the", ""),
        ("Été à la plage", "été à la plage"),
    ],
)
def test_normalization(text: str, expected: str) -> None:
    assert normalized(text) == expected


@pytest.mark.parametrize(
    ("predicted", "gold", "exact", "overlap"),
    [
        pytest.param("The Denver Broncos", "Denver Broncos!", 1, 1, id="same but for what does not count"),
        pytest.param("Denver", "Denver Broncos", 0, 2 / 3, id="precision 1, recall 1/2"),
        pytest.param("the big Denver Broncos", "Denver", 0, 1 / 2, id="precision 1/3, recall 1"),
        pytest.param("new new york", "new york york", 0, 2 * 2 / 6, id="repeated words count as often as in both"),
        pytest.param("Carolina", "Denver", 0, 0, id="nothing in common"),
    ],
)
def test_one_answer(predicted: str, gold: str, exact: float, overlap: float) -> None:
    assert exact_match(predicted, gold) == exact
    assert f1(predicted, gold) == pytest.approx(overlap)


def test_answers_of_which_no_word_remains() -> None:
    assert (f1("the", "a"), f1("the", "a", unanswerable=True)) == (0, 1)
    assert (f1("", "word"), f1("", "word", unanswerable=True)) == (0, 0)


def test_the_best_gold_answer_counts_for_each_metric() -> None:
    found = squad_metrics({"q": "big red dog"}, {"q": ["big dog", "red"]}, False)
    assert found == pytest.approx({"exact_match": 0, "f1": 100 * 2 * 2 / 5})


def test_means_are_percent_over_all_questions() -> None:
    golds = {"a": ["x"], "b": ["y"], "c": ["z"]}
    assert squad_metrics({"a": "x", "b": "x"}, golds, False) == pytest.approx({"exact_match": 100 / 3, "f1": 100 / 3})


def test_no_answer_is_an_answer_in_version_2() -> None:
    golds: dict[str, list[str]] = {"a": ["x"], "b": [], "c": []}
    found = squad_metrics({"a": "", "b": "", "c": "y"}, golds, True)
    assert found == pytest.approx(
        {
            "exact_match": 100 / 3,
            "f1": 100 / 3,
            "HasAns_exact_match": 0,
            "HasAns_f1": 0,
            "NoAns_exact_match": 50,
            "NoAns_f1": 50,
        }
    )


WORDS = st.lists(st.sampled_from(["a", "an", "The", "cat", "Cat,", "dog.", "x-y", "--", "U.S."]), max_size=6)


@given(WORDS.map(" ".join), st.lists(WORDS.map(" ".join), min_size=1, max_size=3), st.booleans())
def test_any_answer_scores_as_in_the_steps_of_the_official_scripts(
    predicted: str, golds: list[str], unanswerable: bool
) -> None:
    """Each step written out once more: lower, punctuation, articles, white space; then the counts."""

    def words(text: str) -> list[str]:
        without = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return re.compile(r"\b(a|an|the)\b").sub(" ", without).split()

    def overlap(gold: str) -> float:
        both = sum((Counter(words(predicted)) & Counter(words(gold))).values())
        if unanswerable and not (words(predicted) and words(gold)):
            return float(words(predicted) == words(gold))
        if both == 0:
            return 0.0
        precision, recall = both / len(words(predicted)), both / len(words(gold))
        return 2 * precision * recall / (precision + recall)

    kept = [gold for gold in golds if words(gold)] or [""] if unanswerable else golds
    found = squad_metrics({"q": predicted}, {"q": golds}, unanswerable)
    assert found["f1"] == pytest.approx(100 * max(map(overlap, kept)))
    assert found["exact_match"] == 100 * any(words(predicted) == words(gold) for gold in kept)
