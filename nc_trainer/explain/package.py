"""The package shap, an extra: imported when something is explained, not before."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nc_trainer.errors import NCTrainerError


def imported_shap() -> Any:
    """The module `shap`.

    Raises:
        NCTrainerError: it cannot be imported.
    """
    try:
        import shap
    except ImportError as error:
        raise NCTrainerError(
            f"Shapley values need the package shap, which cannot be imported ({error}): "
            "`pip install 'nc_trainer[shap]'`, or leave `shapley_mse` and `tuning.shapley.report` out."
        ) from None
    return shap


def check_shap() -> None:
    """Raise an NCTrainerError if shap cannot be imported."""
    imported_shap()


@contextmanager
def numpy_random_state_kept() -> Iterator[None]:
    """shap seeds numpy's global generator; what others draw from it must not change."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)
