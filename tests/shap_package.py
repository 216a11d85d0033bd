"""Tests that compute Shapley values need the package shap."""

import importlib.util

import pytest

needs_shap = pytest.mark.skipif(
    importlib.util.find_spec("shap") is None,
    reason="shap is not installed: pip install 'nc_trainer[shap]'",
)
