"""How far a trial that was not accepted is from being accepted: in the metric's unit, and in rows."""

from nc_trainer.search.criterion import Criterion
from nc_trainer.search.statistics.class_metric import ClassMetric, Ints, count_cells, moved


def shortfall(criterion: Criterion, baseline: float, value: float, rows: int | None = None) -> str:
    """By how much `value` misses the criterion, in words; `rows` as `missing_rows` counts them."""
    missed = abs(criterion.threshold(baseline) - value)
    said = f"{missed:.4f} short of it"
    if not rows:
        return said
    return f"{said}: {rows} more row{'s' if rows > 1 else ''} right would have met it"


def missing_rows(
    metric: ClassMetric, criterion: Criterion, baseline: float, labels: Ints, classes: Ints
) -> int | None:
    """How many wrong rows would have to be right for the criterion to be met.

    Rows are turned right one by one, each time those that the metric gains most from. That is the smallest number for
    accuracy and F1, and for Matthews correlation one that suffices.

    Args:
        metric: see `class_metric.find_class_metric`.
        criterion: what is accepted.
        baseline: the float model's metric.
        labels: integers [rows].
        classes: predicted classes [rows].

    Returns:
        0 if it is met as it is, None if it is not met by a model without a mistake.
    """
    counts = count_cells(metric, labels, classes)
    turned = 0
    while not criterion.accepts(float(metric.score(counts)), baseline):
        better = [moved(counts, wrong, right) for right, wrong in metric.errors() if counts[wrong]]
        if not better:
            return None
        counts = max(better, key=lambda changed: float(metric.score(changed)))
        turned += 1
    return turned
