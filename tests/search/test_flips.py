import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nc_trainer.search.statistics.flips import Flips, compare_classes, logits_error, mcnemar
from nc_trainer.search.trial import predicted_classes

LABELS = np.array([0, 1, 2, 0, 1, 2])
BASELINE = np.array([0, 1, 2, 1, 0, 0])


def test_a_flip_is_better_worse_or_neither() -> None:
    trial = np.array([0, 0, 2, 0, 1, 1])
    # row 1 right -> wrong, rows 3 and 4 wrong -> right, row 5 wrong -> wrong
    flips = compare_classes(BASELINE, trial, LABELS)
    assert flips == Flips(rows=6, changed=4, better=2, worse=1, p_value=1.0)


def test_no_flips_at_all() -> None:
    assert compare_classes(BASELINE, BASELINE, LABELS) == Flips(6, 0, 0, 0, 1.0)


@pytest.mark.parametrize(
    ("better", "worse", "expected"),
    [(0, 0, 1.0), (3, 3, 1.0), (0, 1, 1.0), (0, 5, 2 / 32), (5, 0, 2 / 32), (1, 9, 2 * 11 / 1024)],
)
def test_mcnemar_is_exact(better: int, worse: int, expected: float) -> None:
    assert mcnemar(better, worse) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(better=st.integers(0, 40), worse=st.integers(0, 40))
def test_mcnemar_is_twice_the_smaller_tail(better: int, worse: int) -> None:
    flips = better + worse
    tail = sum(math.comb(flips, count) for count in range(min(better, worse) + 1)) / 2**flips
    assert mcnemar(better, worse) == pytest.approx(min(1.0, 2 * tail), abs=1e-12)


@pytest.mark.parametrize(
    "labels",
    [None, LABELS[:5], LABELS.astype(float), (LABELS, LABELS), LABELS[:, None]],
    ids=["none", "shorter", "floats", "tuple", "tokens"],
)
def test_without_one_label_per_row_flips_are_neither_better_nor_worse(labels: Any) -> None:
    assert compare_classes(BASELINE, BASELINE + 1, labels) == Flips(6, 6)


def test_a_row_without_label_is_neither_better_nor_worse() -> None:
    assert compare_classes(np.array([0, 1]), np.array([1, 0]), np.array([-100, 0])) == Flips(2, 2, 1, 0, 1.0)


def test_rows_of_tokens_change_once() -> None:
    before = np.zeros((4, 3), int)
    after = before.copy()
    after[0, :2] = 1
    assert compare_classes(before, after) == Flips(4, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, BASELINE), (BASELINE, None), (BASELINE, BASELINE[:3])],
    ids=["no-baseline", "no-trial", "shapes"],
)
def test_unknown_classes_have_no_flips(before: Any, after: Any) -> None:
    assert compare_classes(before, after, LABELS) is None


def test_it_takes_what_predicted_classes_gives() -> None:
    before, after = np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 2.0], [0.0, 1.0]])
    flips = compare_classes(predicted_classes(before), predicted_classes(after), np.array([0, 1]))
    assert flips == Flips(2, 1, 0, 1, 1.0)


def test_logits_error() -> None:
    before = np.array([[1.0, -1.0], [1.0, -1.0]], np.float32)
    assert logits_error(before, before + np.float32(0.5)) == 0.25
    assert logits_error(2 * before, 2 * before + np.float32(0.5)) == 0.0625
    assert logits_error((before, "hidden"), (before, "hidden")) == 0.0


def test_logits_without_variance_have_no_relative_error() -> None:
    assert logits_error(np.ones((2, 2)), np.zeros((2, 2))) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, np.ones(2)), (np.ones(2), np.ones(3)), (np.ones(2, int), np.ones(2, int)), (np.ones(0), np.ones(0))],
    ids=["none", "shapes", "classes", "empty"],
)
def test_what_has_no_logits_has_no_error(before: Any, after: Any) -> None:
    assert logits_error(before, after) is None
