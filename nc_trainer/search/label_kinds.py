"""What labels say about the answers that a model is asked for."""

from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray


def are_label_sets(labels: Any, predictions: NDArray) -> TypeGuard[NDArray]:
    """Whether each row has a set of labels: predictions are floats [rows, labels], and labels 0 or 1 for each.

    Rows that are one-hot throughout, with predictions of more than one class, are sets too: what was trained with a
    label for each class is answered by the sign of each logit.
    """
    return _have_shape_of(labels, predictions) and bool(np.isin(labels, (0, 1)).all())


def are_numbers(labels: Any, predictions: NDArray) -> bool:
    """Whether each row has several numbers: labels are floats [rows, numbers], and no probabilities of classes."""
    if not _have_shape_of(labels, predictions) or are_label_sets(labels, predictions):
        return False
    is_distribution = bool((labels >= 0).all()) and np.allclose(labels.sum(axis=-1), 1, atol=1e-3)
    return np.issubdtype(labels.dtype, np.floating) and not is_distribution


def _have_shape_of(labels: Any, predictions: NDArray) -> TypeGuard[NDArray]:
    several = predictions.ndim == 2 and predictions.shape[1] > 1 and np.issubdtype(predictions.dtype, np.floating)
    return several and isinstance(labels, np.ndarray) and labels.shape == predictions.shape
