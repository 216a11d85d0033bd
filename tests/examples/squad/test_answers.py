"""Windows of contexts, and the answers that are found in them."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from _shared.squad import Answer, AnswerFinder
from _shared.squad.features import Windows, answer_tokens
from _shared.squad.squad_files import FEATURES
from datasets import Dataset
from helpers.squad_rows import VOCABULARY
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer
from transformers import BertTokenizerFast

from nc_trainer import NCTrainerError

CONTEXT = "boris works in delhi . anna lives in paris ."


def tokenizer(side: str = "right") -> BertTokenizerFast:
    words = {word: number for number, word in enumerate(VOCABULARY)}
    return BertTokenizerFast(tokenizer_object=BertWordPieceTokenizer(words)._tokenizer, padding_side=side)


def examples(answer: str | None = "paris", context: str = CONTEXT) -> Dataset:
    answers: dict[str, list[Any]] = {"text": [], "answer_start": []}
    if answer is not None:
        answers = {"text": [answer], "answer_start": [context.index(answer)]}
    row = {"id": "q", "question": "  where does anna live ?", "context": context, "answers": answers}
    return Dataset.from_list([row], features=FEATURES)


def text_of(ids: list[int], start: int, end: int) -> str:
    return " ".join(VOCABULARY[number] for number in ids[start : end + 1])


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("padded", [True, False], ids=["padded", "dynamic"])
def test_windows_cover_the_context_and_overlap(side: str, padded: bool) -> None:
    features = Windows(tokenizer(side), 14, 2, padded).evaluation(examples())
    assert features["example_id"][:] == ["q"] * len(features)
    words = []
    for feature in features:
        offsets = feature["offset_mapping"]
        words.append([CONTEXT[first:last] for first, last in offsets if last > first])
        assert len(offsets) == len(feature["input_ids"])
        assert VOCABULARY[feature["input_ids"][feature["cls_index"]]] == "[CLS]"
    assert all(before[-2:] == after[:2] for before, after in pairwise(words))
    assert [word for number, window in enumerate(words) for word in window[2 if number else 0 :]] == CONTEXT.split()


@pytest.mark.parametrize("side", ["right", "left"])
def test_training_points_at_the_answer_where_a_window_holds_it(side: str) -> None:
    found = [
        text_of(feature["input_ids"], feature["start_positions"], feature["end_positions"])
        for feature in Windows(tokenizer(side), 14, 2).training(examples())
    ]
    assert set(found) == {"[CLS]", "paris"}
    assert found[-1] == "paris"


def test_training_without_an_answer_points_at_cls() -> None:
    feature = Windows(tokenizer(), 32, 0).training(examples(None))[0]
    assert (feature["start_positions"], feature["end_positions"]) == (0, 0)


@pytest.mark.parametrize(
    ("begin", "text", "expected"),
    [
        pytest.param(2, "cd", (2, 2), id="one token"),
        pytest.param(1, "bcde", (1, 3), id="tokens that are cut count whole"),
        pytest.param(0, "ab", (1, 1), id="at the beginning"),
        pytest.param(5, "fgh", None, id="goes on after the window"),
    ],
)
def test_tokens_of_an_answer(begin: int, text: str, expected: tuple[int, int] | None) -> None:
    offsets = [(-1, -1), (0, 2), (2, 4), (4, 7), (-1, -1)]
    assert answer_tokens(offsets, {"text": [text], "answer_start": [begin]}) == expected


def test_a_question_that_leaves_no_room_is_named() -> None:
    with pytest.raises(NCTrainerError, match=r"leaves no room[\s\S]*--max_seq_length \(6\)"):
        Windows(tokenizer(), 6, 0).evaluation(examples())
    with pytest.raises(NCTrainerError, match="--doc_stride is 6, expected 0 or more and less than the length, 6"):
        Windows(tokenizer(), 6, 6)


def found(start: dict[int, float], end: dict[int, float], finder: AnswerFinder, windows: int = 1) -> Answer:
    """The answer in `abcd`, of which token n + 1 is letter n, from logits that are 0 but for those given."""
    offsets = [[-1, -1], [0, 1], [1, 2], [2, 3], [3, 4], [-1, -1]]
    example = Dataset.from_list([{"id": "q", "context": "abcd"}])
    feature = {"example_id": "q", "cls_index": 0, "offset_mapping": offsets}
    logits = [np.zeros((windows, 8), dtype=np.float32) for _ in range(2)]
    for given_logits, array in zip((start, end), logits, strict=True):
        for token, value in given_logits.items():
            array[:, token] = value
    return finder(example, Dataset.from_list([feature] * windows), *logits)["q"]


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        pytest.param({2: 5}, {3: 5}, "bc", id="a span"),
        pytest.param({3: 5}, {2: 4, 3: 3}, "c", id="the end is not before the start"),
        pytest.param({1: 9}, {4: 5, 3: 3}, "abc", id="not longer than allowed"),
        pytest.param({0: 9, 5: 9, 7: 9, 2: 1}, {0: 9, 6: 9, 2: 1}, "b", id="in the context only"),
    ],
)
def test_the_best_span_is_the_answer(start: dict[int, float], end: dict[int, float], text: str) -> None:
    assert found(start, end, AnswerFinder(max_answer_length=3)).text == text


def test_no_answer_wins_by_the_threshold() -> None:
    start, end = {0: 3.0, 2: 2.0}, {0: 3.0, 2: 2.0}
    assert found(start, end, AnswerFinder(unanswerable=True)).text == ""
    assert found(start, end, AnswerFinder(unanswerable=True)).null_score_diff == 2
    assert found(start, end, AnswerFinder(unanswerable=True, null_score_diff_threshold=2)).text == "b"
    assert found(start, end, AnswerFinder()).text == "b"


def test_candidates_are_the_best_first_and_their_probabilities_sum_to_one() -> None:
    answer = found({2: 5, 1: 4}, {3: 5}, AnswerFinder(n_best_size=3, unanswerable=True))
    assert [(candidate.text, candidate.score) for candidate in answer.candidates[:2]] == [("bc", 10), ("abc", 9)]
    assert len(answer.candidates) == 3
    assert sum(answer.probabilities()) == pytest.approx(1)


def test_an_example_without_windows_has_no_answer() -> None:
    example = Dataset.from_list([{"id": "q", "context": "abcd"}, {"id": "r", "context": "x"}])
    features = Dataset.from_list([{"example_id": "r", "cls_index": 0, "offset_mapping": [[0, 1]]}])
    zeros = np.zeros((1, 1))
    for unanswerable in (True, False):
        answers = AnswerFinder(unanswerable=unanswerable)(example, features, zeros, zeros)
        assert {key: answer.text for key, answer in answers.items()} == {"q": "", "r": "x"}


def test_logits_have_to_be_those_of_the_features() -> None:
    example = Dataset.from_list([{"id": "r", "context": "x"}])
    features = Dataset.from_list([{"example_id": "r", "cls_index": 0, "offset_mapping": [[0, 1]]}])
    with pytest.raises(NCTrainerError, match="2 rows of logits for 1 features"):
        AnswerFinder()(example, features, np.zeros((2, 1)), np.zeros((2, 1)))


LOGITS = st.lists(st.integers(-50, 50), min_size=6, max_size=6)


@given(st.lists(st.tuples(LOGITS, LOGITS), min_size=1, max_size=3), st.integers(1, 4))
def test_the_answer_is_that_of_trying_all_spans(windows: list[tuple[list[int], list[int]]], longest: int) -> None:
    context = "abcd"
    offsets = [[-1, -1], *([number, number + 1] for number in range(4)), [-1, -1]]
    features = Dataset.from_list([{"example_id": "q", "cls_index": 0, "offset_mapping": offsets}] * len(windows))
    start, end = (np.array([window[which] for window in windows], dtype=np.float32) for which in (0, 1))
    finder = AnswerFinder(n_best_size=50, max_answer_length=longest, unanswerable=True)
    answer = finder(Dataset.from_list([{"id": "q", "context": context}]), features, start, end)["q"]
    scores = {
        (window, first, last): start[window, first] + end[window, last]
        for window in range(len(windows))
        for first in range(1, 5)
        for last in range(first, min(first + longest, 5))
    }
    best, null = max(scores.values()), min(start[:, 0] + end[:, 0])
    assert answer.null_score_diff == null - best
    if null > best:
        assert answer.text == ""
    else:
        assert answer.text in {
            context[first - 1 : last] for (_, first, last), score in scores.items() if score == best
        }
