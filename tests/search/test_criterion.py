import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer.search import Criterion, Metric

HIGHER, LOWER = Metric("accuracy", True), Metric("loss", False)
values = st.floats(-100, 100)


@pytest.mark.parametrize(
    ("metric", "tolerance", "baseline", "threshold"),
    [
        (HIGHER, {"relative": 0.01}, 0.90, 0.891),
        (HIGHER, {"relative": 0.01}, -0.20, -0.202),
        (HIGHER, {"relative": 0.01}, 0.0, 0.0),
        (LOWER, {"relative": 0.01}, 2.0, 2.02),
        (LOWER, {"relative": 0.01}, -2.0, -1.98),
        (LOWER, {"relative": 0.01}, 0.0, 0.0),
        (HIGHER, {"relative": None, "absolute": 0.01}, 0.90, 0.89),
        (HIGHER, {"relative": None, "absolute": 0.01}, -0.20, -0.21),
        (LOWER, {"relative": None, "absolute": 0.01}, 2.0, 2.01),
        (HIGHER, {"relative": None, "absolute": 0.0}, 0.5, 0.5),
    ],
    ids=[
        "relative-higher",
        "relative-higher-negative",
        "relative-higher-zero",
        "relative-lower",
        "relative-lower-negative",
        "relative-lower-zero",
        "absolute-higher",
        "absolute-higher-negative",
        "absolute-lower",
        "absolute-nothing",
    ],
)
def test_threshold(metric: Metric, tolerance: dict[str, float], baseline: float, threshold: float) -> None:
    criterion = Criterion(metric, **tolerance)
    assert criterion.threshold(baseline) == pytest.approx(threshold, abs=1e-12)
    assert criterion.accepts(threshold, baseline)
    worse = -1e-6 if metric.higher_is_better else 1e-6
    assert not criterion.accepts(threshold + worse, baseline)


@given(baseline=values, tolerance=st.floats(0, 0.99), higher=st.booleans())
def test_the_baseline_itself_is_always_accepted(baseline: float, tolerance: float, higher: bool) -> None:
    metric = Metric("m", higher)
    assert Criterion(metric, tolerance).accepts(baseline, baseline)
    assert Criterion(metric, None, tolerance).accepts(baseline, baseline)


@given(baseline=values, value=values, tolerance=st.floats(0, 0.99))
def test_turning_the_metric_round_changes_nothing(baseline: float, value: float, tolerance: float) -> None:
    up = Criterion(HIGHER, tolerance).accepts(value, baseline)
    assert Criterion(LOWER, tolerance).accepts(-value, -baseline) == up


@given(baseline=values, higher=st.booleans())
def test_nan_is_never_accepted(baseline: float, higher: bool) -> None:
    assert not Criterion(Metric("m", higher), 0.5).accepts(math.nan, baseline)


def test_description_says_the_rule() -> None:
    assert Criterion(HIGHER, 0.01).describe(0.9) == "accuracy >= 0.8910 (relative 0.01 of 0.9000)"
    assert Criterion(LOWER, None, 0.5).describe(2.0) == "loss <= 2.5000 (absolute 0.5 of 2.0000)"
