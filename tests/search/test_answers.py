"""What counts as a flip where a row has a set of labels or a number."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer.search.statistics.flips import Flips, changed_order, compare_answers
from nc_trainer.search.trial import predicted_answers, predicted_classes

SETS = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
LOGITS = np.where(SETS == 1, 2.0, -2.0)


def moved(logits: np.ndarray, *places: tuple[int, int]) -> np.ndarray:
    changed = logits.copy()
    for place in places:
        changed[place] *= -1
    return changed


def listed(found: np.ndarray | None) -> list[Any] | None:
    return None if found is None else found.tolist()


def test_a_flip_is_a_changed_set_and_not_another_largest_logit() -> None:
    assert compare_answers(LOGITS, LOGITS * np.array([1.0, 3.0, 9.0]), SETS) == Flips(4, 0, 0, 0, 1.0)
    assert compare_answers(LOGITS, moved(LOGITS, (0, 0), (0, 1), (2, 2)), SETS) == Flips(4, 2, 0, 2, 0.5)


def test_a_set_is_right_if_all_of_it_is() -> None:
    before = moved(LOGITS, (0, 0), (1, 0), (1, 1))
    after = moved(LOGITS, (1, 1))  # row 0 is right now, row 1 still wrong
    assert compare_answers(before, after, SETS) == Flips(4, 2, 1, 0, 1.0)


@pytest.mark.parametrize(
    "labels", [SETS, SETS.astype(np.int64), SETS.astype(bool)], ids=["floats", "integers", "bools"]
)
def test_labels_of_0_and_1_make_sets(labels: np.ndarray) -> None:
    assert listed(predicted_classes(LOGITS, labels)) == SETS.tolist()
    assert listed(predicted_classes(1 / (1 + np.exp(-LOGITS)), labels)) == SETS.tolist()  # probabilities


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (None, [0, 0, 1, 0]),
        (np.array([0, 1, 2, 0]), [0, 0, 1, 0]),
        (np.array([[0.5, 0.25, 0.25]] * 4), [0, 0, 1, 0]),
        (np.array([[2.5, 1.0, 0.0]] * 4), None),
    ],
    ids=["unknown", "classes", "probabilities of classes", "several numbers"],
)
def test_other_labels_make_no_sets(labels: Any, expected: list[int] | None) -> None:
    assert listed(predicted_classes(LOGITS, labels)) == expected


def test_a_number_flips_if_it_changes_by_more_than_a_tenth_of_the_deviation() -> None:
    before = np.array([[-10.0], [10.0], [-10.0], [10.0]])  # the deviation is 10
    after = before + np.array([[0.99], [-1.01], [-1.5], [0.0]])
    assert compare_answers(before, after, np.array([-10.0, 9.0, -9.0, 10.0])) == Flips(4, 2, 1, 1, 1.0, 1.0)
    assert compare_answers(before[:, 0], after[:, 0]) == Flips(4, 2, tolerance=1.0)


def test_of_several_numbers_each_has_its_own_tolerance() -> None:
    before = np.array([[-10.0, -1.0], [10.0, 1.0], [-10.0, -1.0], [10.0, 1.0]])  # the deviations are 10 and 1
    after = before + np.array([[0.9, 0.0], [0.0, 0.2], [2.0, -0.3], [-1.5, 0.0]])
    labels = before + np.array([[0.0, 0.0], [0.0, 0.2], [0.0, 3.0], [0.0, 0.0]])
    # row 2 is 2 tolerances further in one number and 3 in the other; row 1 meets its label
    assert compare_answers(before, after, labels) == Flips(4, 3, 1, 2, 1.0, (1.0, 0.1))
    assert compare_answers(before, after, labels + np.nan) == Flips(4, 3, 0, 0, 1.0, (1.0, 0.1))


def test_a_number_that_is_always_the_same_flips_when_it_changes() -> None:
    before = np.array([[1.5, 3.0], [2.5, 3.0]])
    flips = compare_answers(before, before + np.array([[0.0, 1e-6], [0.0, 0.0]]), before)
    assert flips == Flips(2, 1, 0, 1, 1.0, (0.05, 0.0))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], 0.0),
        ([11.0, 12.0, 13.0, 14.0], 0.0),
        ([2.0, 1.0, 3.0, 4.0], 1 / 6),
        ([4.0, 3.0, 2.0, 1.0], 1.0),
        ([5.0, 5.0, 5.0, 5.0], None),
    ],
    ids=["same", "shifted", "two rows", "reversed", "all the same"],
)
def test_the_order_is_what_a_ranking_is_read_for(after: list[float], expected: float | None) -> None:
    assert changed_order(np.array([1.0, 2.0, 3.0, 4.0]), np.array(after)) == pytest.approx(expected)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20))
def test_what_does_not_change_does_not_flip(numbers: list[float]) -> None:
    flips = compare_answers(np.array(numbers), np.array(numbers), np.zeros(len(numbers)))
    assert flips is not None
    assert (flips.changed, flips.better, flips.worse, flips.p_value) == (0, 0, 0, 1.0)


def test_answers_are_classes_or_else_numbers() -> None:
    assert listed(predicted_answers(np.eye(3))) == [0, 1, 2]
    assert listed(predicted_answers(np.array([[0.5], [1.5]]))) == [0.5, 1.5]
    assert predicted_answers("texts") is None
