import numpy as np
import pytest

from nc_trainer.search import compare_classes, predicted_classes


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.9, 0.1], [0.6, 0.4]]), (1, 2)),
        (np.array([0, 1, 2]), np.array([0, 2, 1]), (2, 3)),
        ((np.eye(2), np.zeros(3)), (np.eye(2), np.ones(3)), (0, 2)),
        (np.zeros((4, 3, 2)), np.zeros((4, 3, 2)), (0, 4)),
        (np.array([[0.1], [0.2]]), np.array([[0.3], [0.4]]), None),
        (np.array([0.1]), np.array([0.2]), None),
        (None, np.eye(2), None),
    ],
    ids=["logits", "classes", "tuple", "tokens", "regression", "floats", "unknown"],
)
def test_flips_from_what_a_trainer_predicts(before: object, after: object, expected: tuple[int, int] | None) -> None:
    flips = compare_classes(predicted_classes(before), predicted_classes(after))
    assert (flips and (flips.changed, flips.rows)) == expected
