import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nc_trainer.benchmark.statistics import MINIMUM_ROUNDS, Comparison, compare, median, percentile, throughput
from nc_trainer.errors import NCTrainerError

SECONDS = st.floats(min_value=1e-6, max_value=100, allow_nan=False)
SERIES = st.lists(SECONDS, min_size=1, max_size=30)
FEW_EXAMPLES = settings(max_examples=30, deadline=None)
PAIRS = st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([7.0], 7.0, id="one value"),
        pytest.param([3.0, 1.0, 2.0], 2.0, id="odd count takes the middle"),
        pytest.param([4.0, 1.0, 2.0, 3.0], 2.5, id="even count takes the mean of the middle two"),
    ],
)
def test_median(values: list[float], expected: float) -> None:
    assert median(values) == expected


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        pytest.param(0, 0.0, id="p0 is the minimum"),
        pytest.param(90, 9.0, id="p90 falls on a value"),
        pytest.param(99, 9.9, id="p99 lies between the two largest"),
        pytest.param(100, 10.0, id="p100 is the maximum"),
    ],
)
def test_percentile_interpolates_linearly(q: float, expected: float) -> None:
    assert percentile([float(value) for value in range(10, -1, -1)], q) == pytest.approx(expected, rel=1e-12)


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(NCTrainerError, match="at least one value"):
        percentile([], 50)


def test_throughput_is_all_samples_over_all_time() -> None:
    assert throughput(12, [0.5, 1.0, 1.5]) == 4.0


@given(SERIES)
def test_percentiles_are_ordered_and_inside_the_range(values: list[float]) -> None:
    assert min(values) <= median(values) <= percentile(values, 90) <= percentile(values, 99) <= max(values)


def test_ratio_above_one_means_the_candidate_is_faster() -> None:
    result = compare("fp32", [2.0] * 10, "int8", [1.0] * 10)
    assert result == Comparison("fp32", "int8", ratio=2.0, low=2.0, high=2.0, rounds=10, effective_rounds=10.0)
    assert result.verdict == "faster"


def test_a_constant_slowdown_is_slower() -> None:
    assert compare("fp32", [1.0] * 10, "int8", [2.0] * 10).verdict == "slower"


def test_rounds_that_were_slow_for_both_do_not_widen_the_interval() -> None:
    slow_and_fast = [1.0, 8.0, 2.0, 4.0, 1.0, 8.0, 2.0]
    result = compare("a", slow_and_fast, "b", [value / 2 for value in slow_and_fast])
    assert (result.low, result.ratio, result.high) == (2.0, 2.0, 2.0)


def test_equal_medians_with_scatter_are_within_noise() -> None:
    baseline = [1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.3, 0.7]
    result = compare("a", baseline, "b", baseline[::-1])
    assert result.low < 1 < result.high
    assert result.verdict == "within noise"


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        pytest.param(MINIMUM_ROUNDS - 1, "within noise", id="one round too few"),
        pytest.param(MINIMUM_ROUNDS, "faster", id="just enough"),
    ],
)
def test_few_rounds_support_no_verdict(rounds: int, expected: str) -> None:
    assert compare("a", [2.0] * rounds, "b", [1.0] * rounds).verdict == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        pytest.param(1.0, 1.2, "within noise", id="interval that touches 1 from above"),
        pytest.param(0.9, 1.0, "within noise", id="interval that touches 1 from below"),
        pytest.param(1.01, 1.2, "faster", id="interval above 1"),
        pytest.param(0.8, 0.99, "slower", id="interval below 1"),
    ],
)
def test_verdict_follows_the_interval(low: float, high: float, expected: str) -> None:
    assert Comparison("a", "b", ratio=(low + high) / 2, low=low, high=high, rounds=50).verdict == expected


def test_equal_series_give_equal_intervals() -> None:
    a, b = [1.0, 1.5, 1.2, 0.9, 1.1, 1.3], [0.8, 1.4, 1.0, 1.0, 0.7, 0.9]
    assert compare("a", a, "b", b) == compare("a", a, "b", b)


@FEW_EXAMPLES
@given(SERIES)
def test_identical_series_have_ratio_one(values: list[float]) -> None:
    result = compare("a", values, "b", values)
    assert (result.low, result.ratio, result.high) == (1.0, 1.0, 1.0)
    assert result.verdict == "within noise"


@FEW_EXAMPLES
@given(PAIRS, st.integers(min_value=-20, max_value=20))
def test_the_unit_of_time_does_not_matter(pairs: list[tuple[float, float]], exponent: int) -> None:
    a, b = [first for first, _ in pairs], [second for _, second in pairs]
    unit = 2.0**exponent
    assert compare("a", a, "b", b) == compare("a", [x * unit for x in a], "b", [x * unit for x in b])


@FEW_EXAMPLES
@given(PAIRS)
def test_interval_bounds_stay_inside_the_possible_ratios(pairs: list[tuple[float, float]]) -> None:
    a, b = [first for first, _ in pairs], [second for _, second in pairs]
    result = compare("a", a, "b", b)
    assert min(a) / max(b) <= result.low <= result.high <= max(a) / min(b)


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        pytest.param([1.0, 2.0], [1.0], "2 and 1 rounds", id="different lengths"),
        pytest.param([], [], "a series is empty", id="empty"),
        pytest.param([1.0], [0.0], "not a positive finite number", id="zero duration"),
        pytest.param([-1.0], [1.0], "not a positive finite number", id="negative duration"),
        pytest.param([float("nan")], [1.0], "not a positive finite number", id="NaN first"),
        pytest.param([1.0], [float("inf")], "not a positive finite number", id="infinite"),
        pytest.param([1.0], [float("nan")], "not a positive finite number", id="NaN last"),
    ],
)
def test_series_that_cannot_be_compared(baseline: list[float], candidate: list[float], message: str) -> None:
    with pytest.raises(NCTrainerError, match=message):
        compare("a", baseline, "b", candidate)
