"""How much of the evaluation rows a refused trial sees before it is stopped: exact bounds, and the sequential test.

python benchmarks/search/early_stops.py

Rows are drawn in random order: the float model is right on a share of them; the trial gets some more wrong, and
`CHURN` of all rows right that were wrong. One percent of the accuracy is tolerated. Nothing is timed.
"""

import argparse
import statistics

import numpy as np
from numpy.typing import NDArray

from nc_trainer.search import Criterion, Metric
from nc_trainer.search.statistics.betting_test import AccuracyLossTest, tolerated_rows
from nc_trainer.search.statistics.bounds import metric_bounds, verdict_is_certain
from nc_trainer.search.statistics.class_metric import Accuracy

CRITERION = Criterion(Metric("accuracy", True), 0.01)
CHURN, BATCH = 0.02, 8
SETS = {"MRPC": (408, 0.86), "SST-2": (872, 0.92), "MNLI": (9815, 0.85)}
"""Rows of the development set, and a usual accuracy."""
LOSSES = (0.02, 0.05, 0.1)


def drawn(rows: int, accuracy: float, loss: float, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Whether the float model and the trial are right, booleans [rows] each."""
    right = rng.permutation(rows) < round(rows * accuracy)
    trial = right.copy()
    trial[rng.choice(np.flatnonzero(right), round(rows * (loss + CHURN)), replace=False)] = False
    trial[rng.choice(np.flatnonzero(~right), round(rows * CHURN), replace=False)] = True
    return right, trial


def seen_by_bounds(right: NDArray, trial: NDArray) -> float:
    """The share of the rows after which no row to come makes the trial acceptable. Class 1 is the label of each."""
    labels, classes = np.ones(len(right), dtype=np.int64), trial.astype(np.int64)
    for end in range(BATCH, len(right), BATCH):
        bounds = metric_bounds(Accuracy(), labels[:end], classes[:end], len(right) - end, labels[end:])
        if bounds and verdict_is_certain(CRITERION, float(right.mean()), bounds) is False:
            return end / len(right)
    return 1.0


def seen_by_test(right: NDArray, trial: NDArray, error_rate: float) -> float:
    """The share of the rows after which the sequential test refuses the trial."""
    test = AccuracyLossTest(right, tolerated_rows(CRITERION, float(right.mean()), len(right)), error_rate)
    for start in range(0, len(right), BATCH):
        if test.update(trial[start : start + BATCH]) is False:
            return min(1.0, (start + BATCH) / len(right))
    return 1.0


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--error_rate", type=float, default=0.01, help="of the sequential test")
    parser.add_argument("--draws", type=int, default=20, help="how many the medians are of")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| rows | loss | exact bounds | sequential test |\n|---|---|---|---|")
    for name, (rows, accuracy) in SETS.items():
        for loss in LOSSES:
            draws = [drawn(rows, accuracy, loss, rng) for _ in range(options.draws)]
            exact = statistics.median(seen_by_bounds(*one) for one in draws)
            test = statistics.median(seen_by_test(*one, options.error_rate) for one in draws)
            print(f"| {rows} ({name}) | {loss:.2f} | {exact:.0%} | {test:.0%} |")


if __name__ == "__main__":
    main()
