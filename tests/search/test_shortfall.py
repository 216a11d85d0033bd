"""What a refused trial was missing."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer.search import Criterion, Metric
from nc_trainer.search.statistics.class_metric import F1, Accuracy, ClassMetric, Matthews, score
from nc_trainer.search.statistics.shortfall import missing_rows, shortfall

LABELS = np.array([1] * 12 + [0] * 8)


def at_most(name: str, lost: float) -> Criterion:
    return Criterion(Metric(name, True), None, lost)


def test_rows_of_an_accuracy() -> None:
    classes = np.where(np.arange(20) < 7, 1 - LABELS, LABELS)  # 0.65
    assert missing_rows(Accuracy(), at_most("accuracy", 0.1), 1.0, LABELS, classes) == 5
    assert missing_rows(Accuracy(), at_most("accuracy", 0.35), 1.0, LABELS, classes) == 0


def test_a_threshold_beyond_perfection_is_never_met() -> None:
    assert missing_rows(F1(), at_most("f1", 0.0), 1.5, LABELS, LABELS) is None


METRICS: dict[str, ClassMetric] = {"accuracy": Accuracy(), "f1": F1(), "matthews_correlation": Matthews()}


@given(
    st.sampled_from(sorted(METRICS)),
    st.lists(st.tuples(*[st.integers(0, 1)] * 2), min_size=1, max_size=9),
    st.floats(0, 1),
)
def test_so_many_rows_suffice_and_for_accuracy_and_f1_no_fewer(
    name: str, rows: list[tuple[int, int]], lost: float
) -> None:
    labels, classes = (np.array(column) for column in zip(*rows, strict=True))
    criterion, formula = at_most(name, lost), METRICS[name]
    found = missing_rows(formula, criterion, 1.0, labels, classes)
    wrong = np.flatnonzero(labels != classes)
    enough = []
    for turned in product([False, True], repeat=len(wrong)):
        mended = classes.copy()
        mended[wrong[list(turned)]] = labels[wrong[list(turned)]]
        if criterion.accepts(score(formula, labels, mended), 1.0):
            enough.append(sum(turned))
    if found is None:
        assert len(wrong) not in enough
    elif name == "matthews_correlation":
        assert found in enough
    else:
        assert found == min(enough)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (None, "0.0250 short of it"),
        (1, "0.0250 short of it: 1 more row right would have met it"),
        (5, "0.0250 short of it: 5 more rows right would have met it"),
    ],
    ids=["unknown", "one", "several"],
)
def test_in_words(rows: int | None, said: str) -> None:
    assert shortfall(at_most("accuracy", 0.05), 0.9, 0.825, rows) == said
    assert shortfall(Criterion(Metric("loss", False), None, 0.05), 0.4, 0.475, rows) == said
