"""Tests that compute Shapley values need the package shap."""

import importlib.util
import os

import pytest

# What shap leaves to numba would take longer to compile than the tests take.
os.environ["NUMBA_DISABLE_JIT"] = "1"

needs_shap = pytest.mark.skipif(
    importlib.util.find_spec("shap") is None,
    reason="shap is not installed: pip install 'nc_trainer[shap]'",
)
